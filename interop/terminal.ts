/**
 * Programs that want a terminal, run on one: Python's `pty` gives it, prompts are waited for and answered. Without
 * python3 there is none.
 */
import { spawn } from 'node:child_process'

const program = `
import fcntl, json, os, pty, re, select, struct, sys, termios, time
asked, limit, argv = json.loads(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 200, 0, 0))
end, unread, cut = time.time() + limit, '', False
while time.time() < end:
    ready, _, _ = select.select([fd], [], [], 0.2)
    if not ready:
        continue
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    text = piece.decode('utf8', 'replace')
    sys.stdout.write(text)
    unread += text
    if asked and re.search(asked[0][0], unread):
        os.write(fd, (asked.pop(0)[1] + '\\n').encode())
        unread = ''
else:
    cut = True
    os.kill(pid, 15)
_, status = os.waitpid(pid, 0)
sys.stdout.flush()
sys.exit(124 if cut or not os.WIFEXITED(status) else os.WEXITSTATUS(status))
`

export interface Talk {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** What is waited for (a regular expression of Python's) and what is typed then, in order. */
  readonly answers?: readonly (readonly [prompt: string, answer: string])[]
  /** Then it is ended, and its exit code is 124. */
  readonly limitMs?: number
}

/** Runs a command on a terminal of its own; answers its exit code and all it showed. */
export function talk(command: readonly string[], { cwd, env, answers = [], limitMs = 60_000 }: Talk) {
  return new Promise<{ readonly code: number | null; readonly shown: string }>((resolve, reject) => {
    const args = ['-c', program, JSON.stringify(answers), String(limitMs / 1000), ...command]
    const child = spawn('python3', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    child.on('error', reject).on('close', (code) => resolve({ code, shown }))
  })
}
