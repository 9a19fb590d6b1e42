/** Whether an 18-character resident ID number carries the right check digit (GB 11643, ISO 7064 mod 11-2). */
export function idNumberLooksRight(value: string): boolean {
  const number = value.trim().toUpperCase()
  if (!/^\d{17}[\dX]$/.test(number)) return false
  const sum = [...number.slice(0, 17)].reduce((total, digit, index) => {
    const weight = 2 ** (17 - index) % 11
    return total + Number(digit) * weight
  }, 0)
  return '10X98765432'[sum % 11] === number[17]
}
