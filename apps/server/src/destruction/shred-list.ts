/**
 * Where a contract lies, besides its files: every table that refers to one, and what destruction does there. A test
 * compares this list with the database, so that a table that is added finds its place here or breaks the build.
 */

/** What happens to a table's rows about a contract that is destroyed. */
export type Fate =
  /** Content is overwritten or the rows are deleted; the row's numbers may stay. */
  | 'erased'
  /** What it holds is sealed under the contract's key, and dead with it. */
  | 'key-destroyed'
  /** Numbers, times and hashes alone. */
  | 'content-free'
  /** Kept by law for a while, and named in the certificate. */
  | 'floor'
  /** Goes by itself within a day. */
  | 'expires'

export interface ShredItem {
  table: string
  room: string
  fate: Fate
  why: string
}

const item = (table: string, room: string, fate: Fate, why: string): ShredItem => ({ table, room, fate, why })

export const SHRED_LIST: readonly ShredItem[] = [
  item(
    'sign_task',
    'sign-tasks',
    'erased',
    'title, initiator, reference and reason; the row stays as tombstone',
  ),
  item('task_party', 'sign-tasks', 'content-free', 'who could read, and when that ended'),
  item('task_document', 'sign-tasks', 'erased', 'names and page sizes'),
  item('task_document_segment', 'sign-tasks', 'content-free', 'which objects there were'),
  item('task_actor', 'sign-tasks', 'erased', 'names, contacts and reasons of refusal'),
  item('task_field', 'sign-tasks', 'erased', 'places of signatures'),
  item('task_link', 'sign-tasks', 'erased', 'links to the ceremony'),
  item('task_urge', 'sign-tasks', 'erased', 'reminders'),
  item('usage_event', 'sign-tasks', 'floor', 'billing, at least three years'),
  item('file', 'documents', 'erased', 'the uploaded original: name; its object and key go with it'),
  item('storage_objects', 'storage', 'key-destroyed', 'wrapped object keys; the replicas are removed'),
  item('storage_replicas', 'storage', 'erased', 'removed with the replica'),
  item('storage_repairs', 'storage', 'erased', 'removed with the replica'),
  item('storage_destructions', 'storage', 'content-free', 'that and when it was destroyed'),
  item('storage_removals', 'storage', 'content-free', 'how each replica went'),
  item('storage_repair_times', 'storage', 'content-free', 'figures of the durability report'),
  item('storage_scrubs', 'storage', 'content-free', 'what the last scrub saw'),
  item('storage_orphans', 'storage', 'erased', 'bytes without a row, removed after thirty days'),
  item('storage_findings', 'storage', 'content-free', 'deviations found, by number'),
  item('task_event', 'evidence', 'content-free', 'the chain: commitments, hashes and times'),
  item('task_event_disclosure', 'evidence', 'erased', 'salts and openings, which were sealed besides'),
  item('log_queue', 'evidence', 'content-free', 'leaves on their way'),
  item('log_leaf', 'evidence', 'content-free', 'the public log'),
  item('notification', 'notifications', 'erased', 'contents and addresses of messages'),
  item('outbox_facts', 'outbox', 'erased', 'payloads of facts'),
  item('webhook_event', 'webhooks', 'erased', 'payloads of callbacks'),
  item('fasc_task', 'fasc', 'erased', 'what the client gave to get back'),
  item('fasc_field', 'fasc', 'erased', 'announced fields'),
  item('fasc_upload', 'fasc', 'erased', 'the upload as it came: name; its object and key go with it'),
  item('sign_act', 'signing', 'floor', 'certificate records, five years after the certificate ends'),
  item('certificate_intents', 'ca', 'floor', 'names in certificates, five years after the certificate ends'),
  item('audit_record', 'audit', 'floor', 'log of actions, at least six months'),
  item('export_item', 'portability', 'erased', 'what an export found; the export is voided'),
  item('export_loss', 'portability', 'erased', 'what an export could not read; the export is voided'),
  item('import_part', 'portability', 'erased', 'an upload under way that may hold it; the upload is voided'),
  item(
    'imported_contract',
    'portability',
    'content-free',
    'where a contract came from; its evidence object goes',
  ),
  item('willingness_code', 'identity', 'expires', 'hashes of codes'),
  item('destruction', 'destruction', 'content-free', 'the request itself'),
  item('destruction_certificate', 'destruction', 'content-free', 'the proof'),
  item('legal_hold', 'destruction', 'content-free', 'holds there were'),
]

/** Outside of tables. Derived pictures are drawn on the reader's device and never stored here. */
export const OTHER_PLACES: readonly { place: string; fate: string }[] = [
  {
    place: 'memory of signing processes',
    fate: 'revisions in memory are dropped, and asked for the key anyway',
  },
  { place: 'spool of uploads', fate: 'encrypted with a key that lives in memory, empty after each upload' },
  { place: 'evidence packages and downloads', fate: 'made while they are sent, never stored' },
  { place: 'keys database', fate: 'wraps deleted; older copies die with their epoch key' },
  {
    place: 'backups and log archive of the main database',
    fate: 'hold ciphertext whose keys die with the epoch',
  },
]
