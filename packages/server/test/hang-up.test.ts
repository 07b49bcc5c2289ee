import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { ObjectSha, objects, principals } from '@waymark/domain'
import { expect, test } from 'vitest'
import { fleetDoor } from '../src/doors/fleet/door.ts'
import { openTestHouse } from './house.ts'

test('[HT14] a sender that hangs up in the middle of an object is no defect, and nothing of it is kept', async () => {
  const at = await openTestHouse([fleetDoor])
  const token = await at.login()
  const bytes = Buffer.alloc(100_000, 'x')
  const sha = createHash('sha256').update(bytes).digest('hex')
  const { hostname, port } = new URL(at.url)

  const socket = connect(Number(port), hostname)
  socket.write(
    `PUT /fleet/v1/objects/${sha} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`,
  )
  socket.write(bytes.subarray(0, 40_000))
  const [admin] = await at.house.store.readHouse().find(principals, { where: { nick: 'admin' } })
  const tenant = at.house.store.read(admin?.home ?? expect.fail('admin has a home'))
  const held = () => tenant.get(objects, { sha: ObjectSha.parse(sha) ?? expect.fail('a sha') })
  await expect.poll(held).toBeDefined()
  socket.destroy()
  await once(socket, 'close')
  // The next request is answered after the house has noticed.
  await expect.poll(async () => (await fetch(`${at.url}/fleet/v1/objects/${sha}`)).status).toBe(401)

  expect((await held())?.stored).toBe(false)
  await at.close()
  expect(at.logged()).not.toContain('request failed')
})
