/**
 * The end of a turn of the event loop.
 *
 * A write to a socket wakes whoever reads it, and on a machine that has nothing else to do that costs more than the answer
 * that is written. Answers that are made in one turn and leave at its end wake their reader once. Nobody waits for others
 * longer than the turn takes.
 */
let over: Promise<void> | undefined

/** Resolves at the end of this turn, for all who ask in it one after the other. */
export function endOfTurn(): Promise<void> {
  over ??= new Promise((resolve) => {
    setImmediate(() => {
      over = undefined
      resolve()
    })
  })
  return over
}
