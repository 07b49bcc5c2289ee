/**
 * The answer a device gets all day long: nothing new.
 *
 * A device that asks the same question again with the same token, while nothing has been committed about it since it
 * was last told "nothing", is told "nothing" again, before any routing. The store names the devices of every commit, so
 * a memo is forgotten in the very turn in which a step, a claim, a new secret or a deletion becomes true; a commit that
 * falls between a question and its answer keeps the answer from being remembered. Where commits of other processes
 * arrive a moment late (PostgreSQL), so may the next step; a memo then lives for a second at most.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DeviceId, TenantId } from '@waymark/domain'
import type { DeviceCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import { createRecent } from '../../recent.ts'

/** Devices remembered: beyond, those that asked longest ago pay the full price again. */
const memosMax = 200_000
/** How long a memo lives where other processes commit too. */
const sharedLifeMs = 1000

const prefix = '/trails/'
const idEnd = prefix.length + 24
const suffix = '/steps'

interface Memo {
  readonly authorization: string
  readonly url: string
  /** Milliseconds: the token's end, or sooner. */
  readonly until: number
  readonly device: DeviceId
  readonly tenant: TenantId
  /** The count of commits when it was made. */
  readonly commits: number
}

export interface PollMemo {
  /** Answers the request if its answer is remembered. */
  answer(request: IncomingMessage, response: ServerResponse, peer: () => string): boolean
  /** This request of a device was answered with an empty list. */
  remember(request: IncomingMessage, caller: DeviceCaller): void
}

export function createPollMemo(
  house: Pick<House, 'store' | 'clock' | 'presence' | 'traffic'>,
  shared: boolean,
): PollMemo {
  const memos = createRecent<Memo>(memosMax)
  let forgotAllAt = 0
  /** Counts commits: a question asked before the newest one is not remembered. */
  let commits = 0
  const askedAt = new WeakMap<IncomingMessage, number>()
  house.store.onCommit(({ devices }) => {
    commits += 1
    if (devices === 'any') forgotAllAt = commits
    else for (const device of devices) memos.delete(device)
  })

  return {
    answer(request, response, peer) {
      const { url = '' } = request
      if (request.method !== 'GET' || !url.startsWith(prefix) || !url.startsWith(suffix, idEnd)) return false
      const memo = memos.get(url.slice(prefix.length, idEnd))
      if (
        memo === undefined ||
        memo.url !== url ||
        memo.authorization !== request.headers.authorization ||
        request.headers.origin !== undefined ||
        memo.until <= house.clock.now() ||
        memo.commits < forgotAllAt ||
        // Told to wait it is by those who tell of everything else.
        house.traffic.take(memo.tenant) > 0
      ) {
        askedAt.set(request, commits)
        return false
      }
      house.presence.heard(memo.device, peer())
      response.writeHead(200, nothingNew)
      response.end('[]')
      return true
    },

    remember(request, caller) {
      if (askedAt.get(request) !== commits) return
      const { url = '', headers } = request
      if (headers.authorization === undefined || url.slice(prefix.length, idEnd) !== caller.device.id) return
      const ends = caller.claims.exp * 1000
      memos.set(caller.device.id, {
        authorization: headers.authorization,
        url,
        until: shared ? Math.min(ends, house.clock.now() + sharedLifeMs) : ends,
        device: caller.device.id,
        tenant: caller.tenant,
        commits,
      })
    },
  }
}

const nothingNew = {
  'content-type': 'application/json; charset=utf-8',
  'x-powered-by': 'go-json-rest',
  'x-runtime': '0.000000',
  phjsonformat: 'gibson042-canonicaljson',
  'content-length': '2',
}
