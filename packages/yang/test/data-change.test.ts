import { describe, expect, test } from 'vitest'
import {
  createValidator,
  diffDocuments,
  type Edit,
  type JsonValue,
  mergeDocuments,
  patchDocument,
} from '../src/data/index.ts'
import { schemaOf } from './data-schema.ts'

const validator = createValidator(
  schemaOf(`module e { yang-version 1.1; namespace urn:e; prefix e;
    container c {
      leaf n { type uint8; default 1; } leaf-list tag { type string; ordered-by user; } leaf-list set { type uint8; }
      list user { key "name id"; ordered-by user; leaf name { type string; } leaf id { type uint8; } leaf mail { type string; } container box { leaf in { type string; } } }
      choice way { case one { leaf x { type int8; } } case two { leaf y { type empty; } leaf z { type int8; } } }
      container on { presence "on"; leaf a { type string; mandatory true; } }
      list log { config false; leaf text { type string; } } anydata any;
    } }`),
)

function document(content: JsonValue) {
  const validation = validator.validate({ 'e:c': content })
  if (!validation.ok) throw new Error(JSON.stringify(validation.faults))
  return validation.document
}

describe('[ID90] the difference of two documents is the edits between them', () => {
  const rows: { title: string; from: JsonValue; to: JsonValue; edits: Edit[] }[] = [
    { title: 'nothing', from: { n: 2 }, to: { n: 2 }, edits: [] },
    {
      title: 'a default that is written out is said',
      from: {},
      to: { n: 1 },
      edits: [{ op: 'create', path: '/e:c', value: { n: 1 } }],
    },
    { title: 'a value', from: { n: 2 }, to: { n: 3 }, edits: [{ op: 'replace', path: '/e:c/n', value: 3 }] },
    {
      title: 'another case: the old one goes first',
      from: { x: 1 },
      to: { y: [null] },
      edits: [
        { op: 'delete', path: '/e:c/x' },
        { op: 'create', path: '/e:c/y', value: [null] },
      ],
    },
    { title: 'order of a set is nothing', from: { set: [1, 2, 3] }, to: { set: [3, 1, 2] }, edits: [] },
    {
      title: "the user's order: one moves, the others stay",
      from: { tag: ['a', 'b', 'c', 'd'] },
      to: { tag: ['d', 'a', 'b', 'c'] },
      edits: [{ op: 'move', path: "/e:c/tag[.='d']", after: null }],
    },
    {
      title: 'a new entry in its place, with quotes in its key',
      from: { user: [{ name: 'a', id: 1 }] },
      to: {
        user: [
          { name: 'a', id: 1 },
          { name: "o'b", id: 2 },
        ],
      },
      edits: [
        {
          op: 'create',
          path: `/e:c/user[name="o'b"][id='2']`,
          value: { name: "o'b", id: 2 },
          after: "/e:c/user[name='a'][id='1']",
        },
      ],
    },
    {
      title: 'something deep inside an entry',
      from: { user: [{ name: 'a', id: 1, box: { in: 'x' } }] },
      to: { user: [{ name: 'a', id: 1, box: { in: 'y' } }] },
      edits: [{ op: 'replace', path: "/e:c/user[name='a'][id='1']/box/in", value: 'y' }],
    },
    {
      title: 'lists without keys are replaced whole',
      from: { log: [{ text: 'a' }] },
      to: { log: [{ text: 'a' }, { text: 'a' }] },
      edits: [{ op: 'replace', path: '/e:c/log', value: [{ text: 'a' }, { text: 'a' }] }],
    },
    {
      title: 'members of anydata in another order',
      from: { any: { a: 1, b: 2 } },
      to: { any: { b: 2, a: 1 } },
      edits: [],
    },
  ]
  for (const { title, from, to, edits } of rows)
    test(title, () => {
      const [a, b] = [document(from), document(to)]
      expect(diffDocuments(a, b)).toEqual(edits)
      const patched = patchDocument(validator, a, edits)
      expect(patched.ok && diffDocuments(patched.document, b)).toEqual([])
    })
})

describe('[ID92] an edit that does not fit is a fault', () => {
  const base = { n: 2, user: [{ name: 'a', id: 1 }], tag: ['t'] }
  const rows: [edit: Edit, expected: string][] = [
    [{ op: 'create', path: '/e:c/n', value: 3 }, 'nothing in its place'],
    [{ op: 'delete', path: '/e:c/x' }, 'something to delete'],
    [{ op: 'replace', path: '/e:c/x', value: 1 }, 'something to replace'],
    [{ op: 'move', path: '/e:c/n', after: null }, 'an entry of a list or leaf-list'],
    [{ op: 'delete', path: '/e:c/nowhere' }, 'a node "nowhere" in the schema'],
    [{ op: 'delete', path: 'c' }, 'a path to a node'],
    [{ op: 'delete', path: "/e:c/user[name='b'][id='1']" }, 'an entry to delete'],
    [{ op: 'delete', path: "/e:c/user[name='a']" }, 'a value for every key'],
    [
      { op: 'create', path: "/e:c/user[name='a'][id='1']", value: { name: 'a', id: 1 } },
      'no entry with these keys',
    ],
    [
      { op: 'create', path: "/e:c/user[name='b'][id='1']", value: { name: 'c', id: 1 } },
      'a value with the keys of its path',
    ],
    [
      { op: 'create', path: "/e:c/tag[.='u']", value: 'u', after: "/e:c/tag[.='v']" },
      "an entry /e:c/tag[.='v'] to stand behind",
    ],
    [{ op: 'create', path: '/e:c/on/a', value: 'x' }, '"on" to be there'],
    [{ op: 'create', path: "/e:c/user[name='z'][id='9']/mail", value: 'x' }, '"user" to be there'],
  ]
  for (const [edit, expected] of rows)
    test(`${edit.op} ${edit.path}`, () =>
      expect(patchDocument(validator, document(base), [edit])).toMatchObject({
        ok: false,
        count: 1,
        faults: [{ code: 'edit', expected }],
      }))

  test('a document that would not be valid is not made', () =>
    expect(
      patchDocument(validator, document(base), [{ op: 'create', path: '/e:c/on', value: {} }]),
    ).toMatchObject({
      ok: false,
      faults: [{ code: 'missing-mandatory', path: '/e:c/on/a' }],
    }))
})

describe('[ID91] merging lays one document over another', () => {
  const rows: { title: string; base: JsonValue; over: JsonValue; merged: JsonValue }[] = [
    {
      title: 'values are replaced, others stay',
      base: { n: 2, x: 1 },
      over: { n: 3 },
      merged: { n: 3, x: 1 },
    },
    {
      title: 'another case drives the old one out',
      base: { y: [null], z: 1 },
      over: { x: 1 },
      merged: { x: 1 },
    },
    {
      title: 'values of leaf-lists join',
      base: { set: [1, 2] },
      over: { set: [2, 3] },
      merged: { set: [1, 2, 3] },
    },
    {
      title: 'entries meet by their keys',
      base: { user: [{ name: 'a', id: 1, mail: 'm' }] },
      over: {
        user: [
          { name: 'b', id: 1 },
          { name: 'a', id: 1, box: { in: 'x' } },
        ],
      },
      merged: {
        user: [
          { name: 'a', id: 1, mail: 'm', box: { in: 'x' } },
          { name: 'b', id: 1 },
        ],
      },
    },
    { title: 'defaults nobody wrote do not count', base: { n: 9 }, over: { x: 1 }, merged: { n: 9, x: 1 } },
  ]
  for (const { title, base, over, merged } of rows)
    test(title, () => {
      const result = mergeDocuments(validator, document(base), document(over))
      expect(result.ok && result.document.toJson()).toEqual({ 'e:c': merged })
    })
})
