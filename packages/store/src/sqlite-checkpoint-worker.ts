/** The thread that moves a write-ahead log into its database, when told to. It imports nothing but the platform. */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

const port = parentPort
const db = new DatabaseSync(String(workerData))
db.exec('PRAGMA synchronous = FULL')
port?.on('message', (told: 'move' | 'end') => {
  if (told === 'move') {
    db.exec('PRAGMA wal_checkpoint(PASSIVE)')
    port.postMessage('moved')
  } else {
    db.close()
    port.close()
  }
})
