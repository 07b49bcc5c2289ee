/**
 * Gathers the faults of one document, up to a limit. Places are kept as nodes and written as paths at
 * the end, when the keys of all list entries are known.
 */
import type { DataFault, DataFaultCode } from './fault.ts'
import type { TypeFault } from './leaf-codec.ts'
import type { ChoicePlan, Plan } from './plan.ts'
import { type DataTreeNode, instancePath } from './tree.ts'

type Texts = { readonly errorMessage?: string | undefined; readonly errorAppTag?: string | undefined }

/** Where: a node, or something that is missing or unknown below one. */
export type FaultPlace =
  | DataTreeNode
  | { readonly parent: DataTreeNode; readonly member: string }
  | { readonly parent: DataTreeNode; readonly plan: Plan }
  | { readonly parent: DataTreeNode; readonly choice: ChoicePlan }

export class FaultList {
  private readonly limit: number
  private readonly entries: { place: FaultPlace; fault: Omit<DataFault, 'path' | 'schemaPath'> }[] = []
  /** Faults found, those beyond the limit included. */
  count = 0

  constructor(limit: number) {
    this.limit = limit
  }

  add(
    code: DataFaultCode,
    place: FaultPlace,
    found: string,
    expected: string,
    rfc: string,
    texts: Texts = {},
  ): void {
    this.count++
    if (this.entries.length >= this.limit) return
    const { errorMessage, errorAppTag } = texts
    this.entries.push({ place, fault: { code, found, expected, rfc, errorAppTag, errorMessage } })
  }

  /** Whether further faults are only counted: their words are then not worth finding. */
  get isFull(): boolean {
    return this.entries.length >= this.limit
  }

  addType(place: FaultPlace, fault: TypeFault): void {
    this.add('type', place, fault.found, fault.expected, fault.rfc, fault)
  }

  list(): DataFault[] {
    return this.entries.map(({ place, fault }) => ({ ...fault, ...describePlace(place) }))
  }
}

function describePlace(place: FaultPlace): { path: string; schemaPath: string } {
  if (!('parent' in place) || 'slots' in place)
    return { path: instancePath(place), schemaPath: place.plan.schemaPath }
  const above = place.parent.parent ? instancePath(place.parent) : ''
  if ('member' in place) return { path: `${above}/${place.member}`, schemaPath: place.parent.plan.schemaPath }
  if ('choice' in place) return { path: above === '' ? '/' : above, schemaPath: place.choice.schemaPath }
  return { path: `${above}/${place.plan.jsonName}`, schemaPath: place.plan.schemaPath }
}
