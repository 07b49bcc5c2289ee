import { describe, expect, test } from 'vitest'
import {
  compile,
  jsonSchemaOf,
  printTree,
  type Schema,
  toForm,
  toJsonSchema,
  toTypeScript,
} from '../src/index.ts'

const base = `module base {
  yang-version 1.1; namespace "urn:base"; prefix b;
  container top { presence "there"; description "The top."; leaf own { type string; } }
}`
const text = `module t {
  yang-version 1.1; namespace "urn:t"; prefix t;
  import base { prefix b; }
  feature f;
  identity kind; identity red { base kind; }
  typedef percent { type uint8 { range "0..100"; } units "%"; }
  container system {
    leaf host-name { type string { length "1..64"; pattern "[a-z^$.]+"; } mandatory true; description "Its name."; }
    leaf load { type percent; config false; }
    leaf-list tag { type string; ordered-by user; max-elements 4; }
    list user {
      key "name"; min-elements 1;
      leaf name { type string; }
      leaf level { type enumeration { enum low; enum high { description "Careful."; } } default low; }
      leaf big { type uint64; }
      leaf rate { type decimal64 { fraction-digits 2; range "0..1.5"; } }
      action reset { input { leaf hard { type empty; } } output { leaf at { type string; } } }
    }
    choice transport { mandatory true; leaf udp { type empty; } case tcp { leaf port { type int32; } leaf kind { type identityref { base kind; } } } }
    leaf admin { if-feature f; type leafref { path "/t:system/t:user/t:name"; } }
    leaf flags { type bits { bit a; bit b; } status deprecated; }
    leaf any { type union { type boolean; type int8; } when "../load > 1"; }
    anydata blob;
  }
  rpc go { input { leaf fast { type boolean; mandatory true; } } }
  notification gone { leaf why { type string; } }
  augment "/b:top" { leaf extra { type binary; } }
}`

const whole = compiled()
const schema = () => whole

function compiled(): Schema {
  const result = compile([{ file: 't.yang', text }], () => ({ file: 'base.yang', text: base }))
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.schema
}
const module_ = (name: string) => {
  const found = schema().modules.get(name)
  if (!found) throw new Error(name)
  return found
}

describe('views', () => {
  test('[W1] the tree diagram is that of RFC 8340', () => {
    expect(printTree(schema(), module_('t'))).toBe(`module: t
  +--rw system
     +--rw host-name     string
     +--ro load?         percent
     +--rw tag*          string
     +--rw user* [name]
     |  +--rw name     string
     |  +--rw level?   enumeration
     |  +--rw big?     uint64
     |  +--rw rate?    decimal64
     |  +---x reset
     |     +---w input
     |     |  +---w hard?   empty
     |     +--ro output
     |        +--ro at?   string
     +--rw (transport)
     |  +--:(udp)
     |  |  +--rw udp?    empty
     |  +--:(tcp)
     |     +--rw port?   int32
     |     +--rw kind?   identityref
     +--rw admin?        -> /system/user/name {f}?
     x--rw flags?        bits
     +--rw any?          union
     +--rw blob?         <anydata>

  augment /b:top:
    +--rw extra?   binary

  rpcs:
    +---x go
       +---w input
          +---w fast    boolean

  notifications:
    +---n gone
       +--ro why?   string
`)
    expect(printTree(schema(), module_('base'))).toBe(`module: base
  +--rw top!
     +--rw own?       string
     +--rw t:extra?   binary
`)
  })

  test('[W2] the JSON Schema says structure, types, mandatory members and choices', () => {
    expect(toJsonSchema(schema())).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      additionalProperties: false,
      required: ['t:system'],
      properties: {
        'base:top': { properties: { own: { type: 'string' }, 't:extra': { contentEncoding: 'base64' } } },
        't:system': {
          required: ['host-name', 'user'],
          allOf: [
            {
              oneOf: [
                { anyOf: [{ required: ['udp'] }] },
                { anyOf: [{ required: ['port'] }, { required: ['kind'] }] },
              ],
            },
          ],
          properties: {
            'host-name': {
              type: 'string',
              minLength: 1,
              maxLength: 64,
              pattern: '^(?:[a-z^$.]+)$',
              description: 'Its name.',
            },
            load: { type: 'integer', minimum: 0, maximum: 100, readOnly: true },
            tag: { type: 'array', items: { type: 'string' }, maxItems: 4, uniqueItems: true },
            user: {
              type: 'array',
              minItems: 1,
              items: {
                required: ['name'],
                properties: {
                  level: { type: 'string', enum: ['low', 'high'], default: 'low' },
                  big: { type: 'string' },
                  rate: { type: 'string', pattern: '^-?(0|[1-9][0-9]*)(\\.[0-9]{1,2})?$' },
                },
              },
            },
            kind: { type: 'string', enum: ['t:red', 'red'] },
            admin: { type: 'string' },
            flags: { deprecated: true },
            any: { anyOf: [{ type: 'boolean' }, { type: 'integer', minimum: -128, maximum: 127 }] },
            blob: { type: 'object' },
          },
        },
      },
    })
    const go = module_('t').rpcs[0]?.input.children ?? []
    expect(jsonSchemaOf(go, { names: 'plain' })).toMatchObject({
      required: ['fast'],
      properties: { fast: { type: 'boolean' } },
    })
    const config = toJsonSchema(schema(), { configOnly: true })
    expect(JSON.stringify(config)).not.toContain('"load"')
  })

  test('[W3] the TypeScript names members as JSON does', () => {
    const types = toTypeScript(schema())
    for (const line of [
      'export interface T {',
      "  't:system': {",
      "    'host-name': string",
      '    readonly load?: number',
      '    tag?: Array<string>',
      "      level?: 'low' | 'high'",
      '      big?: string',
      '    udp?: [null]',
      "    kind?: 't:red' | 'red'",
      '    any?: boolean | number',
      'export interface TGoInput {',
      "  't:fast': boolean",
      'export interface TGoneNotification {',
    ])
      expect(types.split('\n')).toContain(line)
    expect(toTypeScript(schema(), { names: 'plain' })).toContain('\n  fast: boolean')
  })

  test('[W4] the form names every input with its bounds', () => {
    const form = toForm(schema(), { names: 'plain' })
    expect(form.map(({ kind, name }) => [kind, name])).toEqual([
      ['group', 'system'],
      ['group', 'top'],
    ])
    const [system] = form
    const items = system?.kind === 'group' ? system.items : []
    expect(items).toMatchObject([
      {
        kind: 'field',
        label: 'Host name',
        required: true,
        help: 'Its name.',
        input: { kind: 'text', lengths: [{ from: '1', to: '64' }] },
      },
      {
        kind: 'field',
        name: 'load',
        readOnly: true,
        units: '%',
        input: { kind: 'number', ranges: [{ from: '0', to: '100' }] },
      },
      { kind: 'fields', name: 'tag', max: 4, sortable: true },
      {
        kind: 'list',
        keys: ['name'],
        min: 1,
        items: [
          { name: 'name', required: true },
          {
            name: 'level',
            default: 'low',
            input: { kind: 'select', options: [{ value: 'low' }, { value: 'high', help: 'Careful.' }] },
          },
          { name: 'big', input: { ranges: [{ from: '0', to: '18446744073709551615' }] } },
          {
            name: 'rate',
            input: { kind: 'number', fractionDigits: 2, ranges: [{ from: '0.00', to: '1.50' }] },
          },
        ],
      },
      {
        kind: 'choice',
        name: 'transport',
        required: true,
        options: [{ name: 'udp' }, { name: 'tcp', items: [{ name: 'port' }, { name: 'kind' }] }],
      },
      {
        name: 'admin',
        input: { kind: 'reference', path: '/t:system/t:user/t:name', input: { kind: 'text' } },
      },
      { name: 'flags', deprecated: true, input: { kind: 'multiselect' } },
      { name: 'any', conditions: ['../load > 1'], input: { kind: 'any-of' } },
      { kind: 'free', name: 'blob' },
    ])
    expect(() => JSON.stringify(form)).not.toThrow()
  })
})
