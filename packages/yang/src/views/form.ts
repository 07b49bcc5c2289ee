/**
 * A schema as a neutral description of a form.
 *
 * Says what a person may fill in and how (a number between these, one of those, a list of such groups), in
 * plain data that a web page can draw without knowing YANG. Conditions are passed on as texts; whether they
 * hold is the validator's business.
 */

import type { CaseNode, DataDefinition, ResolvedType, Schema } from '../schema.ts'
import { identityNames, isRequired, memberName, type NameStyle } from './shape.ts'

export type FormItem = FormGroup | FormList | FormField | FormFields | FormChoice | FormFree

interface FormItemBase {
  /** The member's name in JSON; for a choice, its own name, which is no member. */
  readonly name: string
  /** The name as a person would write it. */
  readonly label: string
  readonly help: string | undefined
  readonly readOnly: boolean
  readonly deprecated: boolean
  /** Conditions of the module, as XPath texts. All must hold for the item to be offered. */
  readonly conditions: readonly string[]
}

/** A set of items under one heading. */
export interface FormGroup extends FormItemBase {
  readonly kind: 'group'
  /** True when the group itself can be there or not. */
  readonly switchable: boolean
  readonly items: readonly FormItem[]
}

/** Any number of groups of the same shape. */
export interface FormList extends FormItemBase {
  readonly kind: 'list'
  readonly keys: readonly string[]
  readonly min: number
  readonly max: number | undefined
  readonly sortable: boolean
  readonly items: readonly FormItem[]
}

/** One value. */
export interface FormField extends FormItemBase {
  readonly kind: 'field'
  readonly required: boolean
  readonly default: string | undefined
  readonly units: string | undefined
  readonly input: FormInput
}

/** Any number of values of one kind. */
export interface FormFields extends FormItemBase {
  readonly kind: 'fields'
  readonly min: number
  readonly max: number | undefined
  readonly sortable: boolean
  readonly units: string | undefined
  readonly input: FormInput
}

/** One of several sets of items. */
export interface FormChoice extends FormItemBase {
  readonly kind: 'choice'
  readonly required: boolean
  readonly default: string | undefined
  readonly options: readonly {
    readonly name: string
    readonly label: string
    readonly items: readonly FormItem[]
  }[]
}

/** Anything at all, as JSON. */
export interface FormFree extends FormItemBase {
  readonly kind: 'free'
  readonly required: boolean
}

/** How a value is entered. Numbers are texts, because some exceed what a JSON number can hold. */
export type FormInput =
  | { readonly kind: 'text'; readonly lengths: readonly Bounds[]; readonly patterns: readonly FormPattern[] }
  | { readonly kind: 'number'; readonly ranges: readonly Bounds[]; readonly fractionDigits: number }
  | { readonly kind: 'toggle' }
  | { readonly kind: 'flag' }
  | { readonly kind: 'select'; readonly options: readonly FormOption[] }
  | { readonly kind: 'multiselect'; readonly options: readonly FormOption[] }
  | { readonly kind: 'bytes'; readonly lengths: readonly Bounds[] }
  | { readonly kind: 'reference'; readonly path: string; readonly input: FormInput }
  | { readonly kind: 'any-of'; readonly inputs: readonly FormInput[] }

export interface Bounds {
  readonly from: string
  readonly to: string
}
export interface FormPattern {
  /** An XML Schema regular expression. */
  readonly source: string
  readonly invert: boolean
  readonly message: string | undefined
}
export interface FormOption {
  readonly value: string
  readonly label: string
  readonly help: string | undefined
}

export interface FormOptions {
  /** `qualified` unless said otherwise. */
  readonly names?: NameStyle
}

/** The form of a whole data tree. */
export function toForm(schema: Schema, options: FormOptions = {}): FormItem[] {
  return formOf(
    [...schema.modules.values()].flatMap((module) => module.children),
    options,
  )
}

/** The form of some nodes: an rpc's input, a container. */
export function formOf(children: readonly DataDefinition[], options: FormOptions = {}): FormItem[] {
  const style = options.names ?? 'qualified'
  return children.map((child) => itemOf(child, style))
}

function itemOf(node: DataDefinition, style: NameStyle): FormItem {
  const base: FormItemBase = {
    name: node.kind === 'choice' ? node.name : memberName(node, style),
    label: labelOf(node.name),
    help: node.description,
    readOnly: node.inTree && !node.config,
    deprecated: node.status !== 'current',
    conditions: node.when.map(({ text }) => text),
  }
  const below = (children: readonly DataDefinition[]) => children.map((child) => itemOf(child, style))
  switch (node.kind) {
    case 'container':
      return { ...base, kind: 'group', switchable: node.presence !== undefined, items: below(node.children) }
    case 'list':
      return {
        ...base,
        kind: 'list',
        keys: node.keys.map((key) => memberName(key, style)),
        min: node.minElements,
        max: node.maxElements,
        sortable: node.orderedBy === 'user',
        items: below(node.children),
      }
    case 'leaf': {
      const input = inputOf(node.type, node.module.name)
      return {
        ...base,
        kind: 'field',
        required: isRequired(node),
        default: node.default?.text,
        units: node.units,
        input,
      }
    }
    case 'leaf-list': {
      const sortable = node.orderedBy === 'user'
      const { minElements: min, maxElements: max, units } = node
      return {
        ...base,
        kind: 'fields',
        min,
        max,
        sortable,
        units,
        input: inputOf(node.type, node.module.name),
      }
    }
    case 'choice': {
      const optionOf = ({ name, children }: CaseNode) => ({
        name,
        label: labelOf(name),
        items: below(children),
      })
      const options = node.cases.map(optionOf)
      return { ...base, kind: 'choice', required: node.mandatory, default: node.defaultCase?.name, options }
    }
    case 'anydata':
    case 'anyxml':
      return { ...base, kind: 'free', required: node.mandatory }
  }
}

/** `host-name` is "Host name". */
function labelOf(name: string): string {
  const words = name.replace(/[-_.]+/g, ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function inputOf(type: ResolvedType, module: string): FormInput {
  switch (type.kind) {
    case 'leafref':
      return { kind: 'reference', path: type.path.text, input: inputOf(type.targetType, module) }
    case 'integer':
      return { kind: 'number', fractionDigits: 0, ranges: bounds(type.range.intervals) }
    case 'decimal64': {
      const { fractionDigits, range } = type
      const ranges = range.intervals.map(({ from, to }) => ({
        from: decimal(from, fractionDigits),
        to: decimal(to, fractionDigits),
      }))
      return { kind: 'number', fractionDigits, ranges }
    }
    case 'string': {
      const patterns = type.patterns.map(({ source, invert, errorMessage }) => ({
        source,
        invert,
        message: errorMessage,
      }))
      return { kind: 'text', lengths: bounds(type.length?.intervals ?? []), patterns }
    }
    case 'boolean':
      return { kind: 'toggle' }
    case 'empty':
      return { kind: 'flag' }
    case 'enumeration':
      return { kind: 'select', options: optionsOf(type.enums.values()) }
    case 'bits':
      return { kind: 'multiselect', options: optionsOf(type.bits.values()) }
    case 'identityref': {
      const names = identityNames(type, module).filter((name) => name.includes(':'))
      return {
        kind: 'select',
        options: names.map((value) => ({
          value,
          label: labelOf(value.split(':')[1] ?? value),
          help: undefined,
        })),
      }
    }
    case 'binary':
      return { kind: 'bytes', lengths: bounds(type.length?.intervals ?? []) }
    case 'union':
      return { kind: 'any-of', inputs: type.types.map((member) => inputOf(member, module)) }
    case 'instance-identifier':
      return { kind: 'text', lengths: [], patterns: [] }
  }
}

function bounds(intervals: readonly { from: bigint | number; to: bigint | number }[]): Bounds[] {
  return intervals.map(({ from, to }) => ({ from: String(from), to: String(to) }))
}

function optionsOf(values: Iterable<{ name: string; description: string | undefined }>): FormOption[] {
  return [...values].map(({ name, description }) => ({
    value: name,
    label: labelOf(name),
    help: description,
  }))
}

function decimal(units: bigint, fractionDigits: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(fractionDigits + 1, '0')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -fractionDigits)}.${digits.slice(-fractionDigits)}`
}
