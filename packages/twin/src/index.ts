/** A controller of one device, driven by an MQTT twin. */
export {}
