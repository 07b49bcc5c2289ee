/**
 * How much a module may ask of us.
 *
 * Modules come from strangers, and YANG is a language in which a page of text can describe a tree larger than
 * the world: groupings that use each other twice, unions of unions, identities derived from everything. Every
 * such growth meets a limit here and becomes a finding with code `limit`. The defaults leave room for the
 * largest published vendor modules.
 */
export interface Limits {
  /** Bytes of one module's text. 8 MiB. */
  readonly maxTextBytes: number
  /** Statements inside statements, and nodes inside nodes of the finished tree. 100. */
  readonly maxDepth: number
  /** Files that one compilation may load. 2000. */
  readonly maxFiles: number
  /**
   * Nodes that uses and augment may make beyond `nodesPerByte` times the text that was loaded. 20 000. Together
   * the two bound memory by a multiple of the input.
   */
  readonly freeNodes: number
  /** 0.05, ten times what published modules need. An rpc or action counts as three. */
  readonly nodesPerByte: number
  /** Typedefs built on typedefs, groupings that use groupings, leafrefs that point at leafrefs. 100. */
  readonly maxChain: number
  /** Members of one union, unions inside it counted out. 2000. */
  readonly maxUnionMembers: number
  /** Pairs of an identity and one derived from it, in one schema. 100 000. */
  readonly maxDerivations: number
  /** Findings reported for one compilation; the rest is counted, not kept. 200. */
  readonly maxProblems: number
}

export const defaultLimits: Limits = {
  maxTextBytes: 8 * 1024 * 1024,
  maxDepth: 100,
  maxFiles: 2000,
  freeNodes: 20_000,
  nodesPerByte: 0.05,
  maxChain: 100,
  maxUnionMembers: 2000,
  maxDerivations: 100_000,
  maxProblems: 200,
}
