/** The thread that writes a SQLite file when it is told to (`sqlite-writer.ts`). */
import { parentPort, workerData } from 'node:worker_threads'
import { type FileOpened, FileWriter, type Run, type StatementText } from './sqlite-file-writer.ts'

export type WriterTold =
  /** Answered when the thread is there. */
  | { readonly kind: 'hello' }
  /** `texts` are the statements that it was not told of before. */
  | { readonly kind: 'commit'; readonly texts: readonly StatementText[]; readonly runs: readonly Run[] }
  | { readonly kind: 'move' }
  /** Not answered: the thread ends. */
  | { readonly kind: 'end' }

/** One answer to each. `code` is SQLite's own, 0 where there is none. */
export type WriterSaid =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: number; readonly message: string }

const port = parentPort
if (port === null) throw new Error('this is the code of a thread')
const texts: StatementText[] = []
const writer = new FileWriter(workerData as FileOpened, texts)

port.on('message', (told: WriterTold) => {
  if (told.kind === 'end') {
    writer.close()
    port.close()
    return
  }
  let said: WriterSaid = { kind: 'done' }
  try {
    if (told.kind === 'commit') {
      texts.push(...told.texts)
      writer.commit(told.runs)
    } else if (told.kind === 'move') writer.move()
  } catch (error) {
    const isError = error instanceof Error
    const code = isError && 'errcode' in error ? Number(error.errcode) : 0
    said = { kind: 'failed', code, message: isError ? error.message : String(error) }
  }
  port.postMessage(said)
})
