/**
 * What is asked, as links carry it: calls and configuration as they were kept, packages as the steps that are left to take.
 * And back: how what a device answered ends what it was asked.
 */
import {
  type AskedPackage,
  configurationOf,
  type DeviceId,
  describePlanRefusal,
  type Ending,
  effectiveConfiguration,
  type Package,
  type PushedConfiguration,
  type PushedPackages,
  packagesOf as packagesOfDevice,
  payloadOf,
  planFor,
  pushedPackages,
  type Reader,
  type Store,
  type TenantId,
  type Transaction,
  transferOf,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type {
  Carried,
  CarriedPackageConfiguration,
  CarriedPackages,
  CarriedSoftware,
  CarriedStep,
  Described,
  Known,
  Outcome,
} from './link.ts'
import { mergeTexts } from './merge.ts'

/** What an RPC's transaction asks: its input and the caller's name for it are JSON texts, so that no number is rounded. */
export interface AskedRpc {
  readonly module: string
  readonly method: string
  readonly input: string
  readonly callId: string
}

/** How a device answered, as it is kept with the transaction. */
export interface KeptAnswer {
  /** The notification the device named; absent where it answered with an output. */
  readonly method?: string
  readonly params: string
}

/** A device with the tenant it is in. */
export type KnownDevice = Known & { readonly tenant: TenantId }

export interface CarryingNeeds {
  readonly store: Store
  /** What the modules of a device say of an operation or notification. */
  describe(device: KnownDevice, module: string, name: string): Promise<Described | undefined>
  /** The same where it is known without looking; undefined: look. */
  describedNow(device: KnownDevice, module: string, name: string): Described | undefined
  /** The parameters of a notification that a device answered with, by its schema; undefined: it does not fit. */
  fit(
    device: KnownDevice,
    module: string,
    what: 'output' | 'notification',
    name: string,
    params: JsonObject,
  ): Promise<JsonObject | undefined>
  /** The configuration that a package begins with, defaults filled in; undefined where it has none. */
  initialValues(tenant: TenantId, of: Package, given: string | undefined): Promise<string | undefined>
}

export type Carrying = ReturnType<typeof createCarrying>

export function createCarrying(needs: CarryingNeeds) {
  const { store } = needs
  // What a group's call asks is the same for all members: it is read once, and links may write it once.
  const readRpcs = new WeakMap<object, { readonly input: JsonObject; readonly callId: JsonValue }>()

  function rpcOf(asked: AskedRpc): { readonly input: JsonObject; readonly callId: JsonValue } {
    let read = readRpcs.get(asked)
    if (read === undefined) {
      read = { input: objectOf(asked.input), callId: jsonOf(asked.callId) }
      readRpcs.set(asked, read)
    }
    return read
  }

  /** What was taken, as links carry it; undefined: there is nothing to carry (`endOfUncarried`). */
  async function carriedOf(
    known: KnownDevice,
    sent: Transaction,
    payload: unknown,
  ): Promise<Carried | CarriedSoftware | undefined> {
    const base = baseOf(sent)
    if (sent.kind === 'package') return packagesOf(known, sent, payload as AskedPackage, base)
    const pushed = sent.kind === 'configuration' && (await pushedPackages(store.read(known.tenant), sent))
    if (pushed) return packageConfiguration(known, pushed, base)
    if (sent.kind === 'configuration') {
      const { name, values, callId } = payload as PushedConfiguration
      return { kind: 'configuration', ...base, name, values: objectOf(values), callId: jsonOf(callId) }
    }
    const asked = payload as AskedRpc
    const described = await needs.describe(known, asked.module, asked.method)
    return described && callOf(sent, asked, described)
  }

  /** The same of a call to a device whose modules are known, at once; undefined: only `carriedOf` can tell. */
  function carriedNow(known: KnownDevice, sent: Transaction, payload: unknown): Carried | undefined {
    if (sent.kind === 'package' || sent.kind === 'configuration') return undefined
    const asked = payload as AskedRpc
    const described = needs.describedNow(known, asked.module, asked.method)
    return described && callOf(sent, asked, described)
  }

  function callOf(sent: Transaction, asked: AskedRpc, described: Described): Carried {
    const { module, method } = asked
    return { kind: 'rpc', ...baseOf(sent), module, method, ...rpcOf(asked), described }
  }

  async function packagesOf(
    { tenant, device }: KnownDevice,
    sent: Transaction,
    asked: AskedPackage,
    base: Omit<CarriedPackages, 'kind' | 'steps' | 'callId'>,
  ): Promise<CarriedPackages | undefined> {
    const reader = store.read(tenant)
    // As things are now: what was done meanwhile is not done again.
    const plan = await planFor(reader, device, asked)
    if (!plan.ok || plan.value.length === 0) return undefined
    const steps: CarriedStep[] = []
    for (const { operation, package: of, from, arguments: told } of plan.value) {
      const begins = operation === 'install' || operation === 'upgrade'
      const given = of.name === asked.package ? asked.values : undefined
      // An upgrade goes on with what the device had, and the new schema's defaults beneath.
      const kept = from === undefined ? '' : (await configurationOf(reader, device, from)).current
      const values = begins ? await needs.initialValues(tenant, of, kept === '' ? given : kept) : undefined
      steps.push({
        operation,
        package: of.name,
        ...(from === undefined ? {} : { from }),
        ...(told === undefined ? {} : { arguments: told }),
        ...(operation === 'uninstall'
          ? {}
          : {
              image: {
                size: of.size,
                sha256: of.image,
                ...(await transferOf(reader, sent.id, of.name)),
              },
            }),
        ...(values === undefined ? {} : { values: objectOf(values) }),
      })
    }
    return { kind: 'packages', ...base, callId: jsonOf(asked.callId), steps }
  }

  async function packageConfiguration(
    { tenant, device }: KnownDevice,
    pushed: PushedPackages,
    base: Omit<CarriedPackageConfiguration, 'kind' | 'packages' | 'callId'>,
  ): Promise<CarriedPackageConfiguration> {
    const reader = store.read(tenant)
    const packages: { package: string; values: JsonObject; edits: JsonObject }[] = []
    for (const edit of pushed.packages) {
      // A member of a group that has not got the package is not told of it.
      const has = (await installedOn(reader, device)).includes(edit.package)
      if (!has) continue
      const values = objectOf(await effectiveConfiguration(reader, device, edit, mergeTexts))
      packages.push({ package: edit.package, values, edits: objectOf(edit.values) })
    }
    return { kind: 'package-configuration', ...base, callId: jsonOf(pushed.callId), packages }
  }

  /** How that ends which leaves nothing to carry: packages are as they are asked to be, or no module defines it any more. */
  async function endOfUncarried(known: KnownDevice, sent: Transaction): Promise<Ending> {
    const gone = 'format-error: none of the device’s modules defines it any more'
    const plan =
      sent.kind === 'package'
        ? await planFor(store.read(known.tenant), known.device, await askedPackage(known, sent))
        : undefined
    return plan === undefined
      ? { state: 'failed', reason: gone }
      : plan.ok
        ? { state: 'done', proof: 'claimed' }
        : { state: 'failed', reason: describePlanRefusal(plan.refusal) }
  }

  async function askedPackage({ tenant }: KnownDevice, sent: Transaction): Promise<AskedPackage> {
    return (await payloadOf(store.read(tenant), sent)) as unknown as AskedPackage
  }

  /** How a device's answer ends what it was asked. */
  function endingOf(
    known: KnownDevice,
    carried: Carried | CarriedSoftware,
    outcome: Outcome,
  ): Ending | Promise<Ending> {
    const fit = (what: 'output' | 'notification', name: string, params: JsonObject) =>
      carried.kind === 'rpc'
        ? needs.fit(known, carried.module, what, name, params)
        : Promise.resolve<JsonObject | undefined>(params)
    switch (outcome.kind) {
      case 'done': {
        if (!outcome.notify) return taken
        const { method, params } = outcome.notify
        return fit('notification', method, params).then((params) => answered(params, method))
      }
      case 'replied':
        return carried.kind === 'rpc'
          ? fit('output', carried.method, outcome.output).then((params) => answered(params))
          : taken
      case 'failed':
        return { state: 'failed', reason: `device-error: ${outcome.reason}` }
      case 'unsupported':
        // By this word whoever asked for a package is told so.
        return {
          state: 'failed',
          reason: `${carried.kind === 'packages' ? 'unsupported-package' : 'unsupported'}: ${outcome.reason}`,
        }
      default:
        return outcome satisfies never
    }
  }

  return { carriedOf, carriedNow, endOfUncarried, endingOf }
}

const taken: Ending = { state: 'done', proof: 'claimed' }

function baseOf({ id, attempts, expiresAt }: Transaction) {
  return {
    transaction: id,
    attempt: attempts - 1,
    ...(expiresAt === undefined ? undefined : { expiresAt }),
  }
}

async function installedOn(reader: Reader, device: DeviceId): Promise<readonly string[]> {
  return (await packagesOfDevice(reader, device)).filter((row) => row.installed).map((row) => row.package)
}

/** An answer that fits is kept with the transaction; one that does not is the device's fault. */
function answered(params: JsonObject | undefined, method?: string): Ending {
  if (!params) return { state: 'failed', reason: 'format-error: the answer does not fit its schema' }
  const kept: KeptAnswer = { ...(method === undefined ? {} : { method }), params: printJson(params) }
  return { state: 'done', proof: 'claimed', answer: { ...kept } }
}

/** Texts of our own making always parse. */
function jsonOf(text: string) {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('a kept JSON text does not parse')
  return parsed.value
}

function objectOf(text: string): JsonObject {
  return jsonOf(text) as JsonObject
}
