/** What a handler of these forms is asked, and what it answers: today's shapes, and cookies. */
import type { Result } from '@waymark/domain'
import type { Answer, Asked, CallerOf } from '../answer.ts'
import type { WalkDoorRefusal } from './refusals.ts'
import type { WalkRoute } from './routes.ts'

export interface WalkAnswer extends Answer {
  /** `Set-Cookie` lines. */
  readonly cookies?: readonly string[]
}

export type WalkSaid = Result<WalkAnswer, WalkDoorRefusal>

type Who<N extends WalkRoute['handler']> = CallerOf[Extract<WalkRoute, { handler: N }>['who'][number]]

/** The handlers the table wants, each with the callers its routes let in. */
export type WalkHandlers = {
  readonly [N in WalkRoute['handler']]: (asked: Asked<Who<N>>) => Promise<WalkSaid>
}
