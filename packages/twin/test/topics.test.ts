import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loginOf } from '../src/broker.ts'
import { readWanted } from '../src/desired.ts'
import { isObject, type JsonObject, merge, parseObject, parseTopic, patchFrom } from '../src/topics.ts'

describe('topics', () => {
  const rows: [string, unknown][] = [
    [
      '$iothub/twin/res/200/?$rid=1f',
      { kind: 'answer', status: 200, rid: '1f', version: undefined, retryAfterMs: undefined },
    ],
    [
      '$iothub/twin/res/204/?$rid=2&$version=10',
      { kind: 'answer', status: 204, rid: '2', version: 10, retryAfterMs: undefined },
    ],
    [
      '$iothub/twin/res/429/?$rid=2&Retry-After=7',
      { kind: 'answer', status: 429, rid: '2', version: undefined, retryAfterMs: 7000 },
    ],
    ['$iothub/twin/PATCH/properties/desired/?$version=5', { kind: 'desired', version: 5 }],
    ['$iothub/methods/POST/reboot/?$rid=a=b', { kind: 'method', name: 'reboot', rid: 'a=b' }],
    ['$iothub/methods/POST/a/b/?$rid=1', undefined],
    ['$iothub/methods/POST/reboot/', undefined],
    ['$iothub/twin/res/20/?$rid=1', undefined],
    ['devices/x', undefined],
    ['', undefined],
  ]
  for (const [topic, read] of rows)
    test(`${topic} is ${JSON.stringify(read) ?? 'nobody’s'}`, () => expect(parseTopic(topic)).toEqual(read))

  test('topics and payloads of any kind are read without harm', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseTopic(`$iothub/${text}`)))
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseObject(bytes)))
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (document) => {
        const read = readWanted(document as JsonObject, 'twin')
        expect(typeof read.ok).toBe('boolean')
      }),
    )
  })
})

describe('merge patches', () => {
  /** Documents without null members, as a twin's halves are. */
  const value = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.integer(), fc.boolean(), fc.string()),
    node: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof({ maxDepth: 3 }, tie('leaf'), tie('node'))),
  }))
  test('what leads from one document to another leads there', () => {
    fc.assert(
      fc.property(value.node, value.node, (one, other) => {
        const [before, after] = [one as JsonObject, other as JsonObject]
        const patch = patchFrom(before, after)
        expect(patch === undefined ? before : merge(before, patch)).toEqual(after)
      }),
    )
  })

  test('null deletes, objects merge, all else replaces', () => {
    expect(merge({ a: 1, b: { c: 1, d: 2 } }, { a: null, b: { c: [3] }, e: 'x' })).toEqual({
      b: { c: [3], d: 2 },
      e: 'x',
    })
    const climbed = merge({}, JSON.parse('{"__proto__":{"x":1}}') as JsonObject)
    expect(isObject(climbed) && 'x' in climbed).toBe(false)
  })
})

test('[TW10] the signature is that of the key over the escaped name and its end', () => {
  const { username, password } = loginOf(
    { hub: 'h.example', device: 'd', access: { kind: 'sas', key: 'a2V5' }, sasSeconds: 3600 },
    1_000_000_000_000,
  )
  expect(username).toBe('h.example/d/?api-version=2021-04-12')
  expect(password).toMatch(
    /^SharedAccessSignature sr=h\.example%2Fdevices%2Fd&sig=[A-Za-z0-9%]+&se=1000003600$/,
  )
})
