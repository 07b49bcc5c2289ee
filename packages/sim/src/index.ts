/** Fleets of simulated devices: many agents in one process, against a real server. */
export {}
