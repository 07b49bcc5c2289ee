/**
 * Abort signals that hang below another one, and let go of it again.
 *
 * A program that runs for months makes millions of them below one signal; each removes its own listener when
 * its work is over, so that nothing gathers there.
 */

/** A controller that is aborted with `outer`, until `unlink`. */
export function linkedController(outer: AbortSignal): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController()
  if (outer.aborted) {
    controller.abort(outer.reason)
    return { controller, unlink: () => undefined }
  }
  const follow = (): void => controller.abort(outer.reason)
  outer.addEventListener('abort', follow, { once: true })
  return { controller, unlink: () => outer.removeEventListener('abort', follow) }
}
