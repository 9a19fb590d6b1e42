import { useMutation } from '@tanstack/react-query'
import type { FieldKind, KeywordPosition } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { useKindWord } from '../ceremony/marks.tsx'
import { call } from '../api/client.ts'
import { Button, SelectField, TextField } from '../design/controls.tsx'
import { ProblemNote, useToast } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { type DraftField, type DraftParty, fieldSize, type TaskDraft } from './draft.ts'
import { keepInside } from './snap.ts'

/** Puts a field behind every place where some words stand, in all files of the draft. */
export function KeywordPlacement({
  draft,
  party,
  kinds,
  onPlace,
}: {
  draft: TaskDraft
  party: DraftParty
  kinds: FieldKind[]
  onPlace(fields: Omit<DraftField, 'id'>[]): void
}) {
  const { t } = useWords()
  const word = useKindWord()
  const toast = useToast()
  const [keyword, setKeyword] = useState('')
  const [chosen, setKind] = useState<FieldKind>('signature')
  const kind = kinds.includes(chosen) ? chosen : (kinds[0] ?? 'signature')
  const find = useMutation({
    mutationFn: async () => {
      const found: Omit<DraftField, 'id'>[] = []
      for (const file of draft.files) {
        const { positions } = await call<{ positions: KeywordPosition[] }>(
          'POST',
          `/files/${file.fileId}/keyword-positions`,
          { body: { keyword: keyword.trim() } },
        )
        for (const position of positions) {
          const page = file.pages[position.page - 1]
          if (!page) continue
          const { width, height } = fieldSize(kind, party.kind)
          // A seal lies over its words, everything else stands behind them on the same line.
          const x =
            kind === 'seal' ? position.x + position.width / 2 - width / 2 : position.x + position.width + 6
          const y = position.y + position.height / 2 - height / 2
          const box = keepInside({ x, y, width, height }, page)
          found.push({ documentRef: file.ref, partyRef: party.ref, kind, page: position.page, ...box })
        }
      }
      return found
    },
    onSuccess: (found) => {
      toast(found.length > 0 ? t('wizardKeywordFound', { count: found.length }) : t('wizardKeywordNone'))
      if (found.length > 0) onPlace(found)
    },
  })
  return (
    <details className="keyword">
      <summary>{t('wizardKeyword')}</summary>
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault()
          if (keyword.trim()) find.mutate()
        }}
      >
        <TextField
          label={t('wizardKeywordLabel')}
          hint={t('wizardKeywordHint')}
          value={keyword}
          onChange={(event) => setKeyword(event.target.value)}
        />
        <SelectField
          label={t('sealsKind')}
          value={kind}
          options={kinds.map((value) => ({ value, label: word(value) }))}
          onChange={setKind}
        />
        <ProblemNote error={find.error} />
        <Button type="submit" slim busy={find.isPending} disabled={!keyword.trim()}>
          {t('wizardKeywordPlace')}
        </Button>
      </form>
    </details>
  )
}
