import { TextField } from '../design/controls.tsx'
import { useWords } from '../words/words.tsx'

export interface BucketFields {
  endpoint: string
  region: string
  bucket: string
  key: string
  pathStyle: boolean
  keyId: string
  secret: string
}

export const emptyBucket: BucketFields = {
  endpoint: '',
  region: '',
  bucket: '',
  key: '',
  pathStyle: false,
  keyId: '',
  secret: '',
}

/** The object's name alone may be left to the platform. */
export const isFilled = ({ endpoint, region, bucket, keyId, secret }: BucketFields) =>
  [endpoint, region, bucket, keyId, secret].every((one) => one.trim() !== '')

/** Where a finished archive shall go, and how to get in there once. */
export function BucketForm({
  value,
  onChange,
}: {
  value: BucketFields
  onChange(value: BucketFields): void
}) {
  const { t } = useWords()
  const field = (name: Exclude<keyof BucketFields, 'pathStyle'>) => ({
    value: value[name],
    autoComplete: 'off',
    spellCheck: false,
    onChange: (event: { target: { value: string } }) => onChange({ ...value, [name]: event.target.value }),
  })
  return (
    <div className="stack tight">
      <TextField label={t('exportsEndpoint')} placeholder="https://s3.example.com" {...field('endpoint')} />
      <TextField label={t('exportsRegion')} {...field('region')} />
      <TextField label={t('exportsBucketName')} {...field('bucket')} />
      <TextField label={t('noted', { what: t('exportsBucketKey'), note: t('optional') })} {...field('key')} />
      <label className="check">
        <input
          type="checkbox"
          checked={value.pathStyle}
          onChange={(event) => onChange({ ...value, pathStyle: event.target.checked })}
        />
        {t('exportsPathStyle')}
      </label>
      <TextField label={t('exportsKeyId')} {...field('keyId')} />
      <TextField
        label={t('exportsSecret')}
        hint={t('exportsSecretHint')}
        type="password"
        {...field('secret')}
        autoComplete="new-password"
      />
    </div>
  )
}
