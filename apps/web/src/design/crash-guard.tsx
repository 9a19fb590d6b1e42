import { Component, type ReactNode } from 'react'
import { currentLanguage, translate } from '../words/words.tsx'
import { Button } from './controls.tsx'
import { Empty } from './notices.tsx'

/** A fault in our own code: said in words, with a way on, instead of a white page. */
export class CrashGuard extends Component<{ children: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false }

  static getDerivedStateFromError() {
    return { crashed: true }
  }

  override componentDidCatch(error: Error) {
    console.error(error)
  }

  override render() {
    if (!this.state.crashed) return this.props.children
    const language = currentLanguage()
    return (
      <Empty
        icon="warning"
        title={translate(language, 'crashed')}
        action={
          <Button look="primary" onClick={() => location.reload()}>
            {translate(language, 'reload')}
          </Button>
        }
      >
        {translate(language, 'crashedText')}
      </Empty>
    )
  }
}
