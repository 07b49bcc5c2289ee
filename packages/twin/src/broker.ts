/**
 * The connection to the broker: MQTT 3.1.1, one at a time, opened again after ever longer pauses.
 *
 * The password of a shared access signature is made afresh for each connection, so a device that was off for a year comes
 * back. Knows bytes and topics; what they say is read in `topics.ts`.
 */
import { createHmac } from 'node:crypto'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

export type Access =
  /** A device's key: `HUB/devices/DEVICE` is signed with it. */
  | { readonly kind: 'sas'; readonly key: string }
  | { readonly kind: 'x509'; readonly cert: string; readonly key: string }
  | { readonly kind: 'plain'; readonly username: string; readonly password: string }

export interface BrokerSettings {
  /** `mqtts://host:8883`, or `mqtt://` where the way there is safe by itself. */
  readonly url: string
  /** The name of the hub as its access is signed for; the host of the URL unless given. */
  readonly hub: string
  readonly device: string
  readonly access: Access
  /** Authorities to trust, as PEM; the system's when undefined. */
  readonly ca: string | undefined
  readonly keepAliveSeconds: number
  readonly connectMs: number
  /** How long a signature is good for. Seconds. */
  readonly sasSeconds: number
}

const apiVersion = '2021-04-12'

/** The user name and password of a connection made at `nowMs`. A certificate has no password. */
export function loginOf(
  { hub, device, access, sasSeconds }: Pick<BrokerSettings, 'hub' | 'device' | 'access' | 'sasSeconds'>,
  nowMs: number,
): { readonly username: string; readonly password?: string } {
  if (access.kind === 'plain') return { username: access.username, password: access.password }
  const username = `${hub}/${device}/?api-version=${apiVersion}`
  if (access.kind === 'x509') return { username }
  const sr = encodeURIComponent(`${hub}/devices/${device}`)
  const se = Math.floor(nowMs / 1000) + sasSeconds
  const sig = createHmac('sha256', Buffer.from(access.key, 'base64')).update(`${sr}\n${se}`).digest('base64')
  return { username, password: `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}` }
}

export interface Link {
  /** Resolves once the broker has it. Rejects when the link is lost. */
  publish(topic: string, payload: string): Promise<void>
  close(): Promise<void>
}

export interface LinkEvents {
  readonly onMessage: (topic: string, payload: Uint8Array) => void
  /** Once, however it ended. */
  readonly onLost: (why: string) => void
}

/** Opens one connection and subscribes. Rejects when either fails. */
export async function openLink(
  settings: BrokerSettings,
  topics: readonly string[],
  events: LinkEvents,
  nowMs: number,
): Promise<Link> {
  const { url, device, access, ca, keepAliveSeconds, connectMs } = settings
  const options: IClientOptions = {
    ...loginOf(settings, nowMs),
    clientId: device,
    protocolVersion: 4,
    clean: true,
    keepalive: keepAliveSeconds,
    connectTimeout: connectMs,
    // Opened anew from outside, with a fresh password.
    reconnectPeriod: 0,
    // Messages of a lost link are not sent on the next: what is true then is reported then.
    queueQoSZero: false,
    ...(ca === undefined ? {} : { ca }),
    ...(access.kind === 'x509' ? { cert: access.cert, key: access.key } : {}),
  }
  const client: MqttClient = mqtt.connect(url, options)
  let lost = false
  let why = 'the connection was closed'
  const over = Promise.withResolvers<never>()
  over.promise.catch(() => undefined)
  client.on('error', (cause) => {
    why = cause.message
  })
  client.on('close', () => {
    if (lost) return
    lost = true
    client.end(true)
    over.reject(new Error(why))
    events.onLost(why)
  })
  client.on('message', (topic, payload) => {
    if (!lost) events.onMessage(topic, payload)
  })
  await Promise.race([
    new Promise<void>((connected) => client.once('connect', () => connected())),
    over.promise,
  ])
  try {
    const granted = await Promise.race([client.subscribeAsync([...topics], { qos: 1 }), over.promise])
    const refused = granted.find((each) => each.qos === 128)
    if (refused) throw new Error(`the broker refuses ${refused.topic}`)
  } catch (cause) {
    client.end(true)
    throw cause
  }
  return {
    publish: async (topic, payload) => {
      await Promise.race([client.publishAsync(topic, payload, { qos: 1 }), over.promise])
    },
    async close() {
      lost = true
      over.reject(new Error('closed'))
      await client.endAsync().catch(() => undefined)
    },
  }
}
