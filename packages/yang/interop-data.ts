/**
 * Documents before yanglint: the table of the tests, and generated configurations of standard modules, true
 * ones and ones with one thing changed, must get the verdict there that they get here.
 *
 * Where yanglint is known to judge otherwise the table says why, and it is a failure here when it no
 * longer does. Without `yanglint` the whole is reported as skipped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createValidator, type DocumentType, type Validator } from './src/data/index.ts'
import { compile } from './src/index.ts'
import { dataSuites } from './test/data-cases.ts'
import { schemaOf } from './test/data-schema.ts'
import { generateMembers } from './test/generate-data.ts'
import { createRandom, mutants } from './test/mutate.ts'

/** Documents with equal and with unequal verdicts, and what could not be run, by name. */
export type Report = { readonly passed: number; readonly failed: number; readonly skipped: readonly string[] }

type Score = {
  passed: number
  failed: number
  readonly skipped: string[]
  readonly log: (line: string) => void
}

const typeNames: Record<DocumentType, string> = {
  data: 'data',
  config: 'config',
  rpc: 'rpc',
  reply: 'reply',
  notification: 'notif',
}

/**
 * Compares verdicts. `modules` is a folder with `ietf` and `iana` in it, for the standard modules; `log`
 * hears one line for each group of documents, and one for each difference.
 */
export async function main(
  log: (line: string) => void = console.log,
  modules: string | undefined = findModules(),
): Promise<Report> {
  const score: Score = { passed: 0, failed: 0, skipped: [], log }
  if (spawnSync('yanglint', ['--version']).status !== 0) {
    score.skipped.push('yang documents: yanglint is not installed')
    return summary(score)
  }
  const folder = mkdtempSync(join(tmpdir(), 'yang-documents-'))
  try {
    await compareTable(folder, score)
    await compareOwn(folder, score)
    if (modules === undefined) score.skipped.push('yang documents: no standard modules found')
    else await compareStandard(folder, modules, score)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return summary(score)
}

function summary({ passed, failed, skipped }: Score): Report {
  return { passed, failed, skipped }
}

async function compareTable(folder: string, report: Score): Promise<void> {
  for (const { rule, module, type = 'data', cases } of dataSuites) {
    const name = /module (\S+)/.exec(module)?.[1] ?? 'module'
    const file = join(folder, `${name}.yang`)
    writeFileSync(file, module)
    const validator = createValidator(schemaOf(module))
    const verdicts = await inTurns(cases, async ({ doc, yanglint }, index) => {
      const theirs = await judge(folder, `table-${index}`, [file], type, doc)
      const ours = validator.validateText(doc, { type }).ok
      const expected = yanglint ? yanglint.ok : ours
      return theirs.ok === expected ? undefined : `${doc}: ours ${ours}, yanglint ${theirs.ok} ${theirs.said}`
    })
    count(report, `yang documents ${rule}`, verdicts)
  }
}

function count(report: Score, name: string, verdicts: readonly (string | undefined)[]): void {
  const wrong = verdicts.filter((verdict) => verdict !== undefined)
  report.passed += verdicts.length - wrong.length
  report.failed += wrong.length
  report.log(`${name}: ${verdicts.length - wrong.length} of ${verdicts.length} alike`)
  for (const one of wrong) report.log(`  ${one}`)
}

// Standard modules. --------------------------------------------------------------------------------

/** Where pip puts the modules that come with pyang, and where Debian's packages put theirs. */
function findModules(): string | undefined {
  const prefixes = [
    spawnSync('python3', ['-c', 'import sys; print(sys.prefix)']).stdout?.toString().trim(),
    '/usr',
    '/usr/local',
  ]
  for (const prefix of prefixes) {
    const folder = join(prefix ?? '', 'share/yang/modules')
    if (prefix && existsSync(join(folder, 'ietf', 'ietf-interfaces.yang'))) return folder
  }
  return undefined
}

const interfaces = {
  'ietf-interfaces:interfaces': {
    interface: [
      {
        name: 'eth0',
        description: 'uplink',
        type: 'iana-if-type:ethernetCsmacd',
        enabled: true,
        'ietf-ip:ipv4': {
          mtu: 1500,
          address: [
            { ip: '10.0.0.1', 'prefix-length': 24 },
            { ip: '10.0.1.1', netmask: '255.255.255.0' },
          ],
        },
        'ietf-ip:ipv6': {
          address: [{ ip: '2001:db8::1', 'prefix-length': 64 }],
          autoconf: { 'create-temporary-addresses': true },
        },
      },
      { name: 'lo', type: 'iana-if-type:softwareLoopback', 'ietf-ip:ipv4': { enabled: false } },
    ],
  },
}

const system = {
  'ietf-system:system': {
    contact: 'ops@example.org',
    hostname: 'gw1.example.org',
    clock: { 'timezone-utc-offset': 60 },
    ntp: { enabled: true, server: [{ name: 'a', udp: { address: '192.0.2.1', port: 123 }, iburst: true }] },
    'dns-resolver': {
      search: ['example.org'],
      server: [{ name: 'x', 'udp-and-tcp': { address: '192.0.2.53' } }],
      options: { timeout: 5 },
    },
    radius: { server: [{ name: 'r', udp: { address: '192.0.2.9', 'shared-secret': 's' } }] },
    authentication: {
      'user-authentication-order': ['radius', 'local-users'],
      user: [
        { name: 'admin', 'authorized-key': [{ name: 'k', algorithm: 'ssh-ed25519', 'key-data': 'AAAA' }] },
      ],
    },
  },
}

const access = {
  'ietf-netconf-acm:nacm': {
    'enable-nacm': true,
    'read-default': 'permit',
    groups: { group: [{ name: 'ops', 'user-name': ['ann', 'bob'] }] },
    'rule-list': [
      {
        name: 'l',
        group: ['ops', '*'],
        rule: [
          {
            name: 'r',
            'module-name': '*',
            path: '/ietf-netconf-acm:nacm',
            'access-operations': 'read update',
            action: 'permit',
          },
        ],
      },
    ],
  },
}

const standards: { names: string[]; document: object }[] = [
  { names: ['ietf-interfaces', 'ietf-ip', 'iana-if-type'], document: interfaces },
  { names: ['ietf-system'], document: system },
  { names: ['ietf-netconf-acm'], document: access },
]

/** Documents made up for each standard module that holds data, and for each of ours. */
const generatedPerStandard = 5
const generatedPerOwn = 60

type Generated = { readonly type: DocumentType; readonly text: string }

function generate(validator: Validator, seed: number, count: number): Generated[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, (_, index) => {
    const type = index % 2 === 0 ? 'data' : 'config'
    const options = { faulty: index % 3 === 0 ? 0 : 0.15, configOnly: type === 'config' }
    return { type, text: JSON.stringify(generateMembers(validator.plan.root, random, options)) }
  })
}

async function compareGenerated(
  folder: string,
  args: string[],
  validator: Validator,
  documents: readonly Generated[],
): Promise<(string | undefined)[]> {
  return inTurns(documents, async ({ type, text }, index) => {
    const theirs = await judge(folder, `generated-${index}`, args, type, text)
    const ours = validator.validateText(text, { type })
    if (ours.ok === theirs.ok) return undefined
    return `${text}: ours ${ours.ok ? 'ok' : JSON.stringify(ours.faults[0])}, yanglint ${theirs.ok} ${theirs.said}`
  })
}

async function compareOwn(folder: string, report: Score): Promise<void> {
  for (const module of new Set(dataSuites.map((suite) => suite.module))) {
    const name = /module (\S+)/.exec(module)?.[1] ?? 'module'
    const validator = createValidator(schemaOf(module))
    const documents = generate(validator, 77, generatedPerOwn)
    const args = [join(folder, `${name}.yang`)]
    count(
      report,
      `yang documents made up for ${name}`,
      await compareGenerated(folder, args, validator, documents),
    )
  }
}

async function compareStandard(folder: string, modules: string, report: Score): Promise<void> {
  const files = new Map<string, string>()
  for (const part of ['ietf', 'iana'])
    for (const file of readdirSync(join(modules, part)))
      files.set(file.replace(/(@.*)?\.yang$/, ''), join(modules, part, file))
  const read = (name: string): { file: string; text: string } | undefined => {
    const file = files.get(name)
    return file === undefined ? undefined : { file, text: readFileSync(file, 'utf8') }
  }
  for (const { names, document } of standards) {
    const title = `yang documents of ${names[0]}`
    const compiled = compile(
      names.flatMap((name) => read(name) ?? []),
      ({ name }) => read(name),
    )
    if (!compiled.ok) {
      count(report, title, [`not compiled: ${compiled.problems[0]?.found}`])
      continue
    }
    const validator = createValidator(compiled.schema)
    const paths = names.flatMap((name) => files.get(name) ?? [])
    const search = ['-p', join(modules, 'ietf'), '-p', join(modules, 'iana')]
    const verdicts = await inTurns(mutants(document, 120), async (doc, index) => {
      const text = JSON.stringify(doc)
      const theirs = await judge(folder, `standard-${index}`, [...search, ...paths], 'config', text)
      const ours = validator.validateText(text, { type: 'config' })
      if (ours.ok === theirs.ok) return undefined
      return `${text}: ours ${ours.ok ? 'ok' : JSON.stringify(ours.faults[0])}, yanglint ${theirs.ok} ${theirs.said}`
    })
    count(report, title, verdicts)
  }
  const verdicts: (string | undefined)[] = []
  const refused: string[] = []
  for (const [name, file] of files) {
    const given = read(name)
    const compiled = given && compile([given], ({ name: wanted }) => read(wanted))
    if (!compiled?.ok) continue
    const validator = createValidator(compiled.schema)
    if (validator.plan.root.children.length === 0) continue
    const args = ['-p', join(modules, 'ietf'), '-p', join(modules, 'iana'), file]
    if (spawnSync('yanglint', args).status !== 0) refused.push(name)
    else
      verdicts.push(
        ...(await compareGenerated(
          folder,
          args,
          validator,
          generate(validator, name.length, generatedPerStandard),
        )),
      )
  }
  count(report, 'yang documents made up for every standard module', verdicts)
  if (refused.length > 0)
    report.skipped.push(`yang documents: modules that yanglint itself refuses: ${refused.join(', ')}`)
}

// The tool. ----------------------------------------------------------------------------------------

async function judge(
  folder: string,
  name: string,
  modules: string[],
  type: DocumentType,
  doc: string,
): Promise<{ ok: boolean; said: string }> {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, doc)
  const child = spawn('yanglint', ['-t', typeNames[type], ...modules, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString().slice(0, 2000)
  })
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    ok: status === 0,
    said: said.split('\n').filter((line) => line.includes('err'))[0] ?? said.trim().slice(0, 200),
  }
}

/** A few at a time, results in order. */
async function inTurns<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += 4)
    results.push(...(await Promise.all(items.slice(at, at + 4).map((item, index) => work(item, at + index)))))
  return results
}
