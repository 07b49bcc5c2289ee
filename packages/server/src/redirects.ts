/**
 * Paths that are answered with the way to the right path.
 *
 * Pantahub's mounts end in a slash. A mount without it, and any path below a mount with doubled slashes, is answered
 * 301 (Pantahub wire facts 1.1). `/healthz`, `/readyz`, `/metrics` and `/version` without a slash are the house's own
 * and stay what they are even when a door mounts `/healthz/`.
 */
export interface Redirects {
  /** Declares a mount: begins and ends with a slash. */
  mount(path: string): void
  /** Where a request target (path and query) leads, or undefined when it is right as it is. */
  target(url: string): string | undefined
}

const houseOwn = new Set(['/healthz', '/readyz', '/metrics', '/version'])

export function createRedirects(): Redirects {
  const mounts = new Set<string>()
  const withoutSlash = new Set<string>()
  return {
    mount(path) {
      if (!/^\/(?:[^/?#]+\/)+$/.test(path))
        throw new Error(`a mount begins and ends with a slash, got ${path}`)
      mounts.add(path)
      const bare = path.slice(0, -1)
      if (!houseOwn.has(bare)) withoutSlash.add(bare)
    },
    target(url) {
      const question = url.indexOf('?')
      const path = question < 0 ? url : url.slice(0, question)
      const query = question < 0 ? '' : url.slice(question)
      if (withoutSlash.has(path)) return `${path}/${query}`
      if (!path.includes('//')) return undefined
      const single = path.replace(/\/{2,}/g, '/')
      if (withoutSlash.has(single)) return `${single}/${query}`
      // Only below a mount: what is collapsed there can never be read as another host's address.
      for (const mount of mounts) if (single.startsWith(mount)) return `${single}${query}`
      return undefined
    },
  }
}
