import type { Ceremony } from '@yinxin/sdk/wire'
import { Button } from '../design/controls.tsx'
import { Note } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { useWords } from '../words/words.tsx'
import { sealImage, svgAddress } from './marks.tsx'

export function SignatureSheet({
  signatures,
  onPick,
  onDraw,
  onClose,
}: {
  signatures: Ceremony['signatures']
  onPick(signature: Ceremony['signatures'][number]): void
  onDraw(): void
  onClose(): void
}) {
  const { t } = useWords()
  return (
    <Sheet
      title={t('drawStored')}
      onClose={onClose}
      footer={
        <Button look="primary" icon="pen" onClick={onDraw}>
          {t('drawAgain')}
        </Button>
      }
    >
      <div className="mark-grid">
        {signatures.map((signature, index) => (
          <button
            key={signature.id}
            type="button"
            className="mark-choice"
            aria-label={`${t('drawStored')} ${index + 1}`}
            onClick={() => onPick(signature)}
          >
            <img src={svgAddress(signature.svg)} alt="" />
          </button>
        ))}
      </div>
    </Sheet>
  )
}

export function SealSheet({
  seals,
  chosen,
  onPick,
  onClose,
}: {
  seals: Ceremony['seals']
  chosen: string | null
  onPick(sealId: string): void
  onClose(): void
}) {
  const { t } = useWords()
  return (
    <Sheet title={t('sealChoose')} onClose={onClose}>
      {seals.length === 0 ? (
        <Note tone="wait">{t('sealsNone')}</Note>
      ) : (
        <div className="mark-grid">
          {seals.map((seal) => (
            <button
              key={seal.id}
              type="button"
              className="mark-choice seal"
              aria-pressed={seal.id === chosen}
              onClick={() => onPick(seal.id)}
            >
              <img src={sealImage(seal.id)} alt="" />
              <span>{seal.name}</span>
            </button>
          ))}
        </div>
      )}
    </Sheet>
  )
}
