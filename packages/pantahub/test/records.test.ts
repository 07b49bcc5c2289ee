import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type DeviceRecord,
  deviceText,
  epochTime,
  flatRead,
  initialProgress,
  ObjectId24,
  objectText,
  Prn,
  parseState,
  pvrRemote,
  Rev,
  Sha256,
  type StepRecord,
  stateSpecs,
  stepKeys,
  stepText,
  storageId,
  trailText,
  zeroTime,
} from '../src/index.ts'

const id = ObjectId24.make({ seconds: 1, random: new Uint8Array(8) })
const owner = Prn.account(id)
const sha = Sha256.of('x')
const time = '2026-01-02T03:04:05.678Z'

function stateOf(document: unknown) {
  const parsed = parseState({ '#spec': stateSpecs[0], 'app/run.json': document })
  if (!parsed.ok) throw new Error(parsed.refusal.kind)
  return parsed.state
}

const device: DeviceRecord = {
  id,
  owner: '',
  challenge: 'likely-creative-troll',
  secret: 'abc123',
  nick: 'quiet_red_fox',
  timeCreated: time,
  timeModified: time,
  public: false,
  garbage: false,
  userMeta: {},
  deviceMeta: {},
}

const step: StepRecord = {
  device: id,
  rev: Rev.after(Rev.factory),
  owner,
  committer: '',
  commitMsg: 'first',
  state: stateOf({}),
  progress: initialProgress(),
  meta: {},
  usedObjects: [],
  stepTime: time,
  progressTime: epochTime,
  timeCreated: time,
  timeModified: time,
}

test('[RC1] a device record, whole', () => {
  expect(deviceText({ ...device, ownerNick: 'alice', userMeta: { 'b.c': 1, a: 'x/y' } })).toBe(
    `{"id":"${id}","prn":"prn:::devices:/${id}","owner":"","challenge":"likely-creative-troll","secret":"abc123",` +
      `"time-created":"${time}","time-modified":"${time}","public":false,"garbage":false,` +
      `"mark_public_processed":false,"nick":"quiet_red_fox","owner-nick":"alice",` +
      `"user-meta":{"a":"x/y","b.c":1},"device-meta":{}}`,
  )
})

test('[RC1] whatever a person chooses, a flat reader finds the five keys it needs', () => {
  const word = fc.constantFrom('id', 'prn', 'owner', 'challenge', 'secret', 'nick', 'x')
  const meta = fc.dictionary(word, word)
  const chosen = fc.record({ nick: word, ownerNick: word, secret: word, userMeta: meta, deviceMeta: meta })
  fc.assert(
    fc.property(chosen, (people) => {
      const record = { ...device, ...people }
      const text = deviceText(record)
      const found = ['id', 'prn', 'owner', 'challenge', 'secret'].map((name) => flatRead(text, name))
      expect(found).toEqual([id, Prn.device(id), '', 'likely-creative-troll', people.secret])
    }),
  )
})

test('[RC4] owner is there even when empty; challenge, secret and owner nick only when they say something', () => {
  const text = deviceText({ ...device, challenge: '', secret: undefined, ownerNick: '' })
  expect(Object.keys(JSON.parse(text))).toEqual([
    'id',
    'prn',
    'owner',
    'time-created',
    'time-modified',
    'public',
    'garbage',
    'mark_public_processed',
    'nick',
    'user-meta',
    'device-meta',
  ])
})

test('[RC2] a step holds every key, in the order it is sent in', () => {
  const parsed = JSON.parse(stepText(step))
  expect(Object.keys(parsed)).toEqual([...stepKeys])
  expect(parsed).toEqual({
    id: `${id}-1`,
    owner,
    device: Prn.device(id),
    committer: '',
    'trail-id': id,
    rev: 1,
    'commit-msg': 'first',
    state: step.state === undefined ? {} : JSON.parse(step.state.canonical),
    'state-sha': step.state.sha,
    progress: initialProgress(),
    'step-time': time,
    'progress-time': epochTime,
    meta: {},
    used_objects: [],
    mark_public_processed: false,
    garbage: false,
    'time-created': time,
    'time-modified': time,
  })
})

test('[RC2] [RC3] whatever an owner writes, a flat reader finds rev, progress and the canonical state', () => {
  const word = fc.constantFrom('rev', 'progress', 'state', 'commit-msg', 'id', 'x', '{"rev":9}', '}', '"')
  const document = fc.oneof(
    word,
    fc.dictionary(word, fc.oneof(word, fc.dictionary(word, word))),
    fc.jsonValue(),
  )
  const chosen = fc.record({ commitMsg: word, committer: word, meta: fc.dictionary(word, word), document })
  fc.assert(
    fc.property(chosen, ({ document, ...people }) => {
      const state = stateOf(document)
      const progress = { progress: 5, retries: 3, status: 'QUEUED', 'status-msg': 'Retried 3 of 10' }
      const text = stepText({ ...step, ...people, state, progress })
      expect(flatRead(text, 'rev')).toBe('1')
      expect(flatRead(text, 'state')).toBe(state.canonical)
      expect(flatRead(flatRead(text, 'progress') ?? '', 'retries')).toBe('3')
      expect(JSON.parse(text)['commit-msg']).toBe(people.commitMsg)
    }),
  )
})

test('[RC2] asking for some keys keeps their order', () => {
  expect(stepText(step, (key) => key === 'rev' || key === 'commit-msg' || key === 'state-sha')).toBe(
    `{"rev":1,"state-sha":"${step.state.sha}","commit-msg":"first"}`,
  )
})

test('[RC3] a trail is canonical, with the factory state as it is', () => {
  const text = trailText({
    device: id,
    owner,
    lastInsync: zeroTime,
    lastTouched: time,
    factoryState: step.state,
    usedObjects: [sha],
  })
  expect(text).toBe(
    `{"device":"${Prn.device(id)}","factory-state":${step.state.canonical},"id":"${id}",` +
      `"last-insync":"0001-01-01T00:00:00Z","last-touched":"${time}","owner":"${owner}","used_objects":["${sha}"]}`,
  )
})

const object = {
  sha,
  storageId: storageId(owner, sha),
  owner,
  objectName: 'size',
  size: 70000,
  mimeType: '',
  timeCreated: time,
  timeModified: time,
  putUrl: '',
  getUrl: 'https://host/local-s3/token',
  now: 1764000000,
}

test('[RC5] sizes and times of an object are strings where clients want strings', () => {
  expect(JSON.parse(objectText(object))).toMatchObject({
    id: sha,
    sha256sum: sha,
    size: '70000',
    sizeint: 70000,
    now: '1764000000',
    'expire-time': '15',
    'signed-puturl': '',
  })
})

test('[RC6] [RC1] an object called "size" hides nothing, and no slash is escaped', () => {
  const text = objectText(object)
  expect(['sha256sum', 'size', 'signed-geturl'].map((name) => flatRead(text, name))).toEqual([
    sha,
    '70000',
    'https://host/local-s3/token',
  ])
  expect(text).not.toContain('\\/')
})

test('[RC6] pvr is told where everything is, on the public address', () => {
  expect(pvrRemote({ base: 'https://hub.example', device: id, rev: Rev.factory })).toEqual({
    'pvr-spec': 'pvr-pantahub-1',
    'json-get-url': `https://hub.example/trails/${id}/steps/0/state`,
    'json-key': 'state',
    'objects-endpoint': `https://hub.example/trails/${id}/steps/0/objects`,
    'post-url': `https://hub.example/trails/${id}/steps`,
    'post-fields': ['commit-msg'],
    'post-fields-opt': ['rev'],
    'step-get-url': `https://hub.example/trails/${id}/steps/0`,
  })
})

const flat = [
  { text: '{"a":"owner","owner":"me"}', name: 'owner', reads: 'owner' },
  { text: '{"a":{"owner":1},"owner":"me"}', name: 'owner', reads: '1' },
  { text: '{"a":"x\\"owner","owner":"me"}', name: 'owner', reads: 'me' },
  { text: '{"s":{"a":"}","b":[{}]},"x":1}', name: 's', reads: '{"a":"}","b":[{}]}' },
  { text: '{"a":[1,2]}', name: 'a', reads: '[1,2]' },
  { text: '{"a":true}', name: 'a', reads: 'true' },
  { text: '["last"]', name: 'last', reads: undefined },
  { text: '{}', name: 'a', reads: undefined },
]
for (const { text, name, reads } of flat)
  test(`[RC1] a flat reader of ${text} takes ${reads ?? 'nothing'} for ${name}`, () => {
    expect(flatRead(text, name)).toBe(reads)
  })
