/** Steps after which a test may end the process: between any two of them a machine can lose power. */
export const DESTRUCTION_STEPS = [
  // Consent of all.
  'destruction:asked',
  'destruction:agreement-stored',
  'destruction:agreement-sent',
  // Shredding.
  'destruction:surveyed',
  'destruction:keys-gone',
  'destruction:originals-gone',
  'destruction:content-gone',
  'destruction:replicas-asked',
  // Verifying and certifying.
  'destruction:verified',
  'destruction:certificate-entered',
  'destruction:certificate-sealed',
] as const

export type DestructionStep = (typeof DESTRUCTION_STEPS)[number]
export type StepHook = (step: DestructionStep) => Promise<void>
export const noStep: StepHook = async () => {}
