import { catalogOf, leniently, resolve, withRepair } from './file.ts'
import { nameOf } from './objects.ts'
import { eachPage } from './pages.ts'
import { PdfRefusal } from './refusal.ts'
import { revisionsOf } from './revisions.ts'
import { type ActiveContent, scanActiveContent } from './scan.ts'
import { docMdpLevel } from './sign.ts'
import { type FoundSignature, findSignatures } from './signature-fields.ts'

export interface PdfPageInfo {
  /** As displayed: crop box and rotation applied. */
  readonly widthPt: number
  readonly heightPt: number
  readonly rotation: 0 | 90 | 180 | 270
}

export interface PdfInfo {
  readonly version: string
  readonly pageCount: number
  readonly pages: readonly PdfPageInfo[]
  /** Always false: an encrypted file is refused by name. */
  readonly encrypted: false
  /** Signatures and document timestamps in the file. */
  readonly signatures: number
  /** The strictest level a signature in the file sets for changes after it (DocMDP): 1 forbids every further signature. */
  readonly certification: 1 | 2 | 3 | null
  readonly activeContent: readonly ActiveContent[]
  /** Form of the newest cross-reference section. */
  readonly xrefForm: 'table' | 'stream' | 'hybrid' | 'rebuilt'
  readonly revisions: number
  /** True when the cross-reference is broken and was rebuilt for reading. */
  readonly repaired: boolean
}

/** What a platform has to know about a file before it lets anyone sign it. @throws PdfRefusal */
export function inspectPdf(pdf: Uint8Array): PdfInfo {
  return withRepair(pdf, (view) => {
    const pages = eachPage(view).map(({ widthPt, heightPt, rotation }) => ({
      widthPt,
      heightPt,
      rotation,
    }))
    if (pages.length === 0) throw new PdfRefusal('no_pages')
    const revisions = revisionsOf(leniently(view).file)
    const signatures = findSignatures(revisions)
    const newest = view.sections[0]
    const declared = nameOf(resolve(view, catalogOf(view).dict.get('Version')))
    return {
      version: declared !== undefined && declared > view.file.version ? declared : view.file.version,
      pageCount: pages.length,
      pages,
      encrypted: false,
      signatures: signatures.length,
      certification: strictestLevel(signatures),
      activeContent: scanActiveContent(revisions),
      xrefForm: newest?.hybrid ? 'hybrid' : (newest?.form ?? 'rebuilt'),
      revisions: revisions.length,
      repaired: view.file.repaired,
    }
  })
}

function strictestLevel(signatures: readonly FoundSignature[]): PdfInfo['certification'] {
  const levels = signatures.flatMap(({ view, dict }) => docMdpLevel(view, dict) ?? [])
  return levels.sort()[0] ?? null
}
