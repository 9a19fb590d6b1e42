import { Link } from 'react-router'
import { useWords } from '../words/words.tsx'
import { Empty } from './notices.tsx'

export function NotFound() {
  const { t } = useWords()
  return (
    <Empty
      icon="search"
      title={t('notFoundTitle')}
      action={
        <Link className="button" to="/">
          {t('toHome')}
        </Link>
      }
    >
      {t('notFoundText')}
    </Empty>
  )
}
