import type { OperatorCommands } from '#src/operator-door.ts'
import type { Status } from './status.ts'

/** `yinxin status export`: the files are written by the command, where its user may write. */
export function createStatusCommands(status: Status): OperatorCommands {
  return { 'status-files': async () => ({ files: await status.files() }) }
}
