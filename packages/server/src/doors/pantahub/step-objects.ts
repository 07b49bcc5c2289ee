/**
 * The objects of a step (Pantahub wire facts 5.3), for whoever may read the step: only those that its state names, under
 * the paths it puts them at. Others than the owner get no URL to put bytes by.
 */
import { ObjectSha, objects, type Result, refuse, stateOf } from '@waymark/domain'
import { Sha256 } from '@waymark/pantahub'
import type { Caller } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Asked, type Handlers, sayArray, sayText } from './answer.ts'
import { badValue, type Refusal } from './errors.ts'
import type { ObjectUrls } from './object-urls.ts'
import { redirect, register } from './objects.ts'
import { objectWire, type UrlsShown } from './records.ts'
import { openStepOf, openTrailOf } from './trails.ts'

export function stepObjectHandlers(
  house: House,
  urls: ObjectUrls,
): Pick<Handlers, 'listStepObjects' | 'registerStepObject' | 'readStepObject' | 'redirectToStepObject'> {
  return {
    async listStepObjects({ caller, params }) {
      const found = await openStep(caller, params)
      return found.ok ? sayArray(list(found.value)) : found
    },

    async readStepObject({ caller, params }) {
      const found = await find(caller, params)
      return found.ok ? sayText(wire(found.value)) : found
    },

    async redirectToStepObject({ caller, params }) {
      const found = await find(caller, params)
      if (!found.ok) return found
      const { tenant, object, path } = found.value
      return redirect(urls.url('GET', { tenant, sha: object.sha, size: object.size, name: path }))
    },

    async registerStepObject({ caller, params, body }) {
      const found = await openTrailOf(house, caller, params.id)
      if (!found.ok) return found
      const { opened } = found.value
      if (opened.as === 'visitor') return refuse({ kind: 'no-access', thing: `trail ${params.id}` })
      return register(house, urls, { caller, body, tenant: opened.tenant })
    },
  }

  async function openStep(caller: Caller, params: Asked['params']) {
    const found = await openStepOf(house, caller, params)
    if (!found.ok) return found
    const { opened, step } = found.value
    const { reader, tenant, as } = opened
    const shown: UrlsShown = as === 'owner' ? 'both' : 'get'
    const needed = neededObjects(await stateOf(reader, step))
    return { ok: true, value: { reader, tenant, shown, step, needed } } as const
  }

  type OpenStep = Extract<Awaited<ReturnType<typeof openStep>>, { ok: true }>['value']

  async function find(caller: Caller, params: Asked['params']): Promise<Result<Found, Refusal>> {
    const sha = ObjectSha.parse(params.sha)
    if (!sha) return badValue('object', '64 lower-case hex digits', String(params.sha))
    const opened = await openStep(caller, params)
    if (!opened.ok) return opened
    const { reader, needed, step } = opened.value
    const path = needed.find((use) => use.sha === sha)?.path
    const object = path === undefined ? undefined : await reader.get(objects, { sha })
    if (path === undefined || !object)
      return refuse({ kind: 'absent', thing: `step ${step.device}-${step.rev}`, got: `object ${sha}` })
    return { ok: true, value: { ...opened.value, object, path } }
  }

  async function* list(opened: OpenStep): AsyncGenerator<string> {
    for (const { path, sha } of opened.needed) {
      const object = await opened.reader.get(objects, { sha })
      if (object) yield wire({ ...opened, object, path })
    }
  }

  type Found = Pick<OpenStep, 'tenant' | 'shown'> & {
    readonly object: Parameters<typeof objectWire>[1]
    readonly path: string
  }

  function wire({ tenant, shown, object, path }: Found): string {
    return objectWire(urls, object, { tenant, now: house.clock.now(), shown, name: path })
  }
}

/** The objects a state names, also under paths that end in `.json`: pvr fetches those like any other. */
function neededObjects(stateText: string): { path: string; sha: ObjectSha }[] {
  const entries = Object.entries(JSON.parse(stateText) as Record<string, unknown>)
  return entries.flatMap(([path, value]) => {
    const sha = ObjectSha.parse(Sha256.parse(value))
    return sha ? [{ path, sha }] : []
  })
}
