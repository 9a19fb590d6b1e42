import type { ActorRole, FieldKind, FileInfo, SignTaskInput, SubjectKind } from '@yinxin/sdk/wire'
import { useEffect, useState } from 'react'
import { newKey } from '../api/key.ts'
import { readContact } from './contact.ts'

export type WizardStep = 'upload' | 'parties' | 'fields' | 'check'
export const wizardSteps: WizardStep[] = ['upload', 'parties', 'fields', 'check']

export interface DraftFile {
  ref: string
  fileId: string
  name: string
  sizeBytes: number
  pages: { widthPt: number; heightPt: number }[]
  signatureCount: number
}

export interface DraftParty {
  ref: string
  kind: SubjectKind
  role: ActorRole
  name: string
  contact: string
  /** Set for the acting subject itself and the companies of its session. */
  subjectId: string | null
  freeSign: { businessId: string; sealId: string } | null
}

export interface DraftField {
  id: string
  documentRef: string
  partyRef: string
  kind: FieldKind
  page: number
  x: number
  y: number
  width: number
  height: number
}

export interface TaskDraft {
  title: string
  files: DraftFile[]
  parties: DraftParty[]
  fields: DraftField[]
  ordered: boolean
  /** Local date, `2026-12-01`; the end of that day counts. */
  deadline: string
  /** Sending the same draft twice creates one task. */
  key: string
}

const freshDraft = (): TaskDraft => ({
  title: '',
  files: [],
  parties: [],
  fields: [],
  ordered: false,
  deadline: '',
  key: newKey(),
})

/** The draft of a task, kept on the device after every change, one for each acting subject. */
export function useTaskDraft(subjectId: string) {
  const place = `yinxin.draft.${subjectId}`
  const [draft, setDraft] = useState<TaskDraft>(() => {
    try {
      const stored = localStorage.getItem(place)
      return stored ? { ...freshDraft(), ...(JSON.parse(stored) as Partial<TaskDraft>) } : freshDraft()
    } catch {
      return freshDraft()
    }
  })
  useEffect(() => {
    localStorage.setItem(place, JSON.stringify(draft))
  }, [place, draft])
  return {
    draft,
    /** Every change makes it another task: an earlier, failed sending must not answer for it. */
    change: (part: Partial<TaskDraft>) => setDraft((before) => ({ ...before, ...part, key: newKey() })),
    discard: () => setDraft(freshDraft()),
    /** After sending: the next visit begins empty, whatever effects still run. */
    forget: () => setDraft(freshDraft()),
  }
}

export function fileOf(info: FileInfo, ref: string): DraftFile {
  return {
    ref,
    fileId: info.id,
    name: info.name,
    sizeBytes: info.sizeBytes,
    pages: info.pages,
    signatureCount: info.signatureCount,
  }
}

/** A name for the next item that no other carries: doc1, doc2, … */
export function nextRef(prefix: string, taken: { ref: string }[]): string {
  let number = taken.length + 1
  while (taken.some((item) => item.ref === `${prefix}${number}`)) number++
  return `${prefix}${number}`
}

export function partyColour(index: number): string {
  return `var(--party-${(Math.max(0, index) % 6) + 1})`
}

/** Millimetres as PDF points. */
const mm = 72 / 25.4

/** The natural size of a field in points: a company seal is 40 mm across (GB/T 33481 allows 45). */
export function fieldSize(kind: FieldKind, party: SubjectKind): { width: number; height: number } {
  if (kind === 'date') return { width: 110, height: 22 }
  if (kind === 'seal')
    return party === 'corp' ? { width: 40 * mm, height: 40 * mm } : { width: 20 * mm, height: 20 * mm }
  return { width: 120, height: 48 }
}

export function toTaskInput(draft: TaskDraft): SignTaskInput {
  const input: SignTaskInput = {
    title: draft.title.trim(),
    documents: draft.files.map(({ ref, fileId, name }) => ({ ref, fileId, name })),
    actors: draft.parties.map((party, index) => ({
      ref: party.ref,
      kind: party.kind,
      role: party.role,
      name: party.name.trim(),
      ...(party.subjectId ? { subjectId: party.subjectId } : {}),
      ...(readContact(party.contact) ?? {}),
      ...(party.freeSign
        ? { freeSignBusinessId: party.freeSign.businessId, sealId: party.freeSign.sealId }
        : {}),
      order: draft.ordered ? index + 1 : 1,
    })),
    fields: draft.fields.map(({ documentRef, partyRef, kind, page, x, y, width, height }) => ({
      documentRef,
      actorRef: partyRef,
      kind,
      position: { page, x: round(x), y: round(y), width: round(width), height: round(height) },
    })),
    ordered: draft.ordered,
    autoStart: true,
  }
  if (draft.deadline) input.deadline = new Date(`${draft.deadline}T23:59:59`).toISOString()
  return input
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** What keeps a step from being finished; empty when nothing does. */
export function openPoints(
  draft: TaskDraft,
  step: WizardStep,
): ('files' | 'title' | 'parties' | 'party-wrong')[] {
  if (step === 'upload') {
    return [
      ...(draft.files.length === 0 ? (['files'] as const) : []),
      ...(draft.title.trim() ? [] : (['title'] as const)),
    ]
  }
  if (step === 'parties') {
    if (!draft.parties.some((party) => party.role === 'sign')) return ['parties']
    return draft.parties.some(
      (party) => !party.name.trim() || (!party.freeSign && !readContact(party.contact)),
    )
      ? ['party-wrong']
      : []
  }
  return []
}
