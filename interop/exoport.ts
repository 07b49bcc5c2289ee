/**
 * A device program in Erlang against the server: the handshake, calls both ways, values as OTP itself writes them. The
 * back end is this file, over JSON-RPC, with an address that takes the server's messages.
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { hold, type Report, same, scenario } from './report.ts'
import type { Server } from './server.ts'

const password = 'a good password'
const demo = `module demo {
  namespace "http://example.com/demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink {
    exo:matching-notification "blink-callback";
    input { uses exo:std-request; leaf times { type uint8; default 3; } leaf loud { type boolean; } leaf note { type string; } }
    output { uses exo:std-response; }
  }
  notification blink-callback { uses exo:std-callback; leaf seen { type uint8; } leaf note { type string; } }
  notification alarm {
    leaf device-id { type string; } leaf level { type uint8; } leaf note { type string; } leaf-list list { type uint8; }
  }
  rpc report {
    input { leaf device-id { type string; } leaf level { type uint8; } leaf big { type uint64; } }
    output { leaf heard { type boolean; } leaf words { type string; } }
  }
  leaf ip { type string; }
  leaf-list ports { type uint16; }
}`

export async function exoport({ url, exoport, admin }: Server): Promise<Report> {
  const sink = await openSink()
  let answered = ''
  const lines: string[] = []
  try {
    return await scenario('Erlang device', async (step) => {
      await step('a back end makes an account, a device, a module and a set', async () => {
        await ask(
          'exodm-admin',
          'exodm:create-account',
          { name: 'acme', password, email: 'a@example.com' },
          admin.password,
        )
        await ok('exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
        await ok('exodm:create-device', {
          'device-id': 'd1',
          'device-type': 't',
          'device-key': 7001,
          'server-key': 7002,
        })
        await ok('exodm:create-yang-module', { repository: 'user', name: 'demo.yang', 'yang-module': demo })
        await ok('exodm:create-config-set', {
          name: 'set',
          yang: 'demo.yang',
          'notification-url': sink.url,
          values: { ip: '10.0.0.1', ports: [80, 443] },
        })
        await ok('exodm:add-config-set-members', { name: 'set', 'device-id': ['d1'] })
        await ask('acme-admin', 'demo:blink', {
          'device-id': 'd1',
          'transaction-id': 42,
          loud: true,
          note: 'hi',
        })
      })

      const device = spawn('escript', [
        join(import.meta.dirname, 'exoport-device.escript'),
        ...[String(new URL(exoport).port), 'acme', 'd1', '7001', '7002'],
      ])
      const said = createInterface({ input: device.stdout })
      said.on('line', (line) => lines.push(line))
      device.stderr.setEncoding('utf8').on('data', (text: string) => {
        answered += text
      })
      const ended = new Promise<number | null>((resolve) => device.on('close', resolve))
      const line = async (start: string): Promise<string> => {
        const deadline = Date.now() + 20_000
        for (;;) {
          const found = lines.find((candidate) => candidate.startsWith(start))
          if (found !== undefined) return found
          hold(
            `a line "${start} …"`,
            Date.now() < deadline && device.exitCode === null,
            lines.join(' | ') + answered,
          )
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }

      try {
        await step('the handshake and a ping', async () => {
          same('hello', await line('hello'), 'hello exodm')
          same('ping', await line('ping'), 'ping {reply,pong}')
        })
        await step('a call that waited is carried, and its notification reaches the back end', async () => {
          same(
            'blink',
            await line('blink'),
            'blink [{\'device-id\',<<"d1">>}, {\'transaction-id\',42}, {times,3}, {loud,true}, {note,<<"hi">>}]',
          )
          const callback = await sink.first('demo:blink-callback')
          same('params', callback.params, {
            'transaction-id': 42,
            'rpc-status': 'complete',
            'rpc-status-string': 'The operation has completed successfully.',
            final: true,
            seen: 3,
            note: 'done',
          })
        })
        await step('a notification with a text and a list of small numbers, each as what it is', async () => {
          same('notification', await line('notification'), 'notification {reply,ok}')
          const alarm = await sink.first('demo:alarm')
          same('params', alarm.params, { 'device-id': 'd1', level: 3, note: 'low', list: [2, 4, 6] })
        })
        await step('an RPC up, answered by the back end, exact to 64 bits', async () => {
          same('rpc', await line('rpc'), 'rpc {reply,[{heard,true},{words,<<"well">>}]}')
          const report = await sink.first('demo:report')
          hold(
            '2^64-1 as it is',
            sink.texts.some((text) => text.includes('18446744073709551615')),
            report,
          )
        })
        await step('other functions are refused, and garbage is answered', async () => {
          same('other', await line('other'), 'other error')
          same('garbage', await line('garbage'), 'garbage error')
        })
        await step('a configuration is pushed as a tree, and confirmed', async () => {
          await ask('acme-admin', 'exodm:push-config-set', { name: 'set' })
          same(
            'config',
            await line('config'),
            'config set*staged [{<<"ip">>,[],"10.0.0.1"}, {<<"ports">>,[{1,[],80},{2,[],443}]}]',
          )
          same('exit code', await ended, 0)
        })
      } finally {
        device.kill()
      }
    })
  } finally {
    sink.close()
  }

  async function ok(method: string, params: object): Promise<void> {
    same(method, await ask('acme-admin', method, params), { result: 'ok' })
  }

  async function ask(user: string, method: string, params: object, secret = password): Promise<unknown> {
    const answer = await fetch(`${url}/exodm/rpc`, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', method, id: 1, params }),
      headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
    })
    const said: unknown = await answer.json()
    hold(`a result of ${method}`, typeof said === 'object' && said !== null && 'result' in said, said)
    return said.result
  }
}

interface Message {
  readonly method: string
  readonly params?: object
  readonly id?: string
}

/** An address that takes the server's messages, and answers `report`. */
async function openSink() {
  const came: Message[] = []
  const texts: string[] = []
  const server = createServer(async (request, reply) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const message = JSON.parse(text) as Message
    texts.push(text)
    came.push(message)
    const result = { heard: true, words: 'well' }
    reply.setHeader('content-type', 'application/json')
    reply.end(JSON.stringify(message.id === undefined ? {} : { jsonrpc: '2.0', id: message.id, result }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    texts,
    async first(method: string): Promise<Message> {
      const deadline = Date.now() + 20_000
      for (;;) {
        const found = came.find((message) => message.method === method)
        if (found !== undefined) return found
        hold(`a message ${method}`, Date.now() < deadline, came)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
