/** Whether an address is this machine's own. */
import { isIPv4 } from 'node:net'

export function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '')
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'))
}
