/** Content that should be in an export and cannot be read: what counts as that, and how it is declared. */
import type { LossReason } from '@yinxin/evidence'
import type { LossRow } from './store.ts'
import { ContentDiffers, ExportEnded, ExportMoved } from './writer.ts'

/** Read in vain so often, each time after a pause, content counts as lost. */
export const LOSS_TRIES = 3

const REASONS: Readonly<Record<string, LossReason>> = {
  content_unreadable: 'unreadable',
  object_not_found: 'unreadable',
  sealed_value_damaged: 'damaged',
  content_key_missing: 'key_missing',
}

/**
 * Why content could not be read; null when it is not the content that failed but what everything here stands on:
 * then the work as a whole is tried again, and nothing is declared.
 */
export function lossReason(error: unknown): LossReason | null {
  if (error instanceof ExportEnded || error instanceof ExportMoved) return null
  if (error instanceof ContentDiffers) return 'damaged'
  const { code, severity, syscall } = error as { code?: unknown; severity?: unknown; syscall?: unknown }
  if (severity !== undefined || syscall !== undefined) return null
  if (typeof code !== 'string') return 'failed'
  if (code === 'storage_unavailable' || code.startsWith('key_driver_')) return null
  return REASONS[code] ?? 'failed'
}

/** A loss as it stands in the manifest. */
export function toLoss({ path, subject_id, reason, size_bytes, sha256 }: LossRow) {
  return { path, subjectId: subject_id, reason, sizeBytes: size_bytes, sha256 }
}
