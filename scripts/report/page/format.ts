// format: values as people read them. One place, so that charts and tables agree.

const dash = '–'

export function megabytes(bytes: number | null | undefined): string {
  if (bytes == null) return dash
  const value = bytes / 1048576
  return `${value >= 100 || value === 0 ? value.toFixed(0) : value.toFixed(1)} MB`
}

export function bytesText(bytes: number | null | undefined): string {
  if (bytes == null) return dash
  const size = Math.abs(bytes)
  if (size < 1024) return `${bytes} B`
  if (size < 1048576) return `${(bytes / 1024).toFixed(1)} kB`
  return `${(bytes / 1048576).toFixed(1)} MB`
}

export function signed(text: string, value: number): string {
  return value > 0 ? `+${text}` : text
}

export function count(value: number | null | undefined): string {
  if (value == null) return dash
  if (Number.isInteger(value)) return value.toLocaleString('en')
  return value.toLocaleString('en', { maximumFractionDigits: 1 })
}

export function milliseconds(value: number | null | undefined): string {
  if (value == null) return dash
  return Math.abs(value) >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`
}

export function seconds(value: number | null | undefined): string {
  return value == null ? dash : `${value.toFixed(1)} s`
}
