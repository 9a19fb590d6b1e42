import type { Generated } from 'kysely'

export interface EvidenceTables {
  task_event: {
    task_id: string
    seq: number
    tenant_id: string
    type: string
    at: Date
    entry: string
    hash: string
  }
  task_event_disclosure: {
    task_id: string
    seq: number
    path: string
    tenant_id: string
    /** From before openings were sealed; null otherwise. */
    salt: string | null
    value: string | null
    /** Salt and value under the contract's key. */
    sealed: Buffer | null
  }
  log_queue: { id: Generated<number>; task_id: string; seq: number | null; entry: Buffer }
  log_leaf: { log_index: number; task_id: string; seq: number | null; entry: Buffer }
  log_node: { level: number; node_index: number; hash: Buffer }
  log_checkpoint: { size: number; root: Buffer; note: string; at: Date }
  log_checkpoint_timestamp: { size: number; token: Buffer; gen_time: Date; authority: string }
}
