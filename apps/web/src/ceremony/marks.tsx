import type { Ceremony, Field, FieldKind, Handwriting } from '@yinxin/sdk/wire'
import { useEffect, useState } from 'react'
import { inkSvg } from '../drawing/handwriting.ts'
import { formatDay } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'

export type Ink = { kind: 'drawn'; handwriting: Handwriting } | { kind: 'stored'; id: string; svg: string }

/** What the signer has decided so far; kept on the device so that an interruption costs nothing. */
export interface CeremonyDraft {
  ink: Ink | null
  sealId: string | null
  keepSignature: boolean
  /** Pages seen, as `documentId/page`. */
  seen: string[]
  confirming: boolean
  codeSentAt: number | null
}

const emptyDraft: CeremonyDraft = {
  ink: null,
  sealId: null,
  keepSignature: false,
  seen: [],
  confirming: false,
  codeSentAt: null,
}

const draftKey = (taskId: string) => `yinxin.ceremony.${taskId}`

export function useCeremonyDraft(taskId: string) {
  const [draft, setDraft] = useState<CeremonyDraft>(() => {
    const stored = localStorage.getItem(draftKey(taskId))
    if (!stored) return emptyDraft
    try {
      return { ...emptyDraft, ...(JSON.parse(stored) as Partial<CeremonyDraft>) }
    } catch {
      return emptyDraft
    }
  })
  useEffect(() => {
    localStorage.setItem(draftKey(taskId), JSON.stringify(draft))
  }, [taskId, draft])
  return [draft, setDraft] as const
}

export function forgetDraft(taskId: string): void {
  localStorage.removeItem(draftKey(taskId))
}

/** Which marks this signer has to give: from the fields, or from what the signer is when there are none. */
export function neededMarks(ceremony: Ceremony): { ink: boolean; seal: boolean } {
  const mine = (ceremony.task?.fields ?? []).filter((field) => field.mine)
  const corp = ceremony.cover.actor.kind === 'corp'
  return {
    seal: corp && (mine.length === 0 || mine.some((field) => field.kind === 'seal')),
    ink: mine.some((field) => field.kind === 'signature' || (field.kind === 'seal' && !corp)),
  }
}

export function svgAddress(svg: string): string {
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`
}

export function InkImage({ ink, alt }: { ink: Ink; alt: string }) {
  return <img src={svgAddress(ink.kind === 'drawn' ? inkSvg(ink.handwriting) : ink.svg)} alt={alt} />
}

export function sealImage(sealId: string): string {
  return `/api/v1/seals/${encodeURIComponent(sealId)}/image.svg`
}

/** The date as it will stand on the page, which counts in China Standard Time wherever the reader is. */
export function dateOnPage(now: Date): string {
  const china = new Date(now.getTime() + (now.getTimezoneOffset() + 480) * 60_000)
  const [year, month, day] = formatDay(china).split('-')
  return `${year}年${month}月${day}日`
}

export function useKindWord(): (kind: FieldKind) => string {
  const { t } = useWords()
  return (kind) => (kind === 'seal' ? t('fieldSeal') : kind === 'date' ? t('fieldDate') : t('fieldSignature'))
}

/** My mark as it will look at its place on the page. */
export function FieldPreview({
  field,
  ceremony,
  draft,
}: {
  field: Field
  ceremony: Ceremony
  draft: CeremonyDraft
}) {
  const word = useKindWord()(field.kind)
  const corp = ceremony.cover.actor.kind === 'corp'
  if (field.kind === 'date') {
    const filled = draft.ink || draft.sealId
    return filled ? <span className="field-date">{dateOnPage(new Date())}</span> : <span>{word}</span>
  }
  if (field.kind === 'seal' && corp) {
    return draft.sealId ? <img src={sealImage(draft.sealId)} alt={word} /> : <span>{word}</span>
  }
  return draft.ink ? <InkImage ink={draft.ink} alt={word} /> : <span>{word}</span>
}
