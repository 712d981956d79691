// render: data to one HTML file that needs nothing else: the chart library, the page's program, its style and the data are in it.

import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import type { ReportData } from './shape.mjs'

/** Writes `<folder>/report.html` and `<folder>/data.json`; returns the path of the former. */
export async function writeReport(data: ReportData, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'data.json'), `${JSON.stringify(data)}\n`)
  const path = join(folder, 'report.html')
  await writeFile(path, await renderReport(data))
  return path
}

export async function renderReport(data: ReportData): Promise<string> {
  const pageFolder = join(sourceRoot(), 'scripts', 'report', 'page')
  const chartStyle = createRequire(join(pageFolder, 'main.ts')).resolve('uplot/dist/uPlot.min.css')
  const [program, style, uplotStyle] = await Promise.all([
    bundle(join(pageFolder, 'main.ts')),
    readFile(join(pageFolder, 'style.css'), 'utf8'),
    readFile(chartStyle, 'utf8'),
  ])
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escapeHtml(data.title)}</title>
<style>${uplotStyle}\n${style}</style>
</head>
<body>
<main id="page"><noscript>This report needs JavaScript to draw its charts.</noscript></main>
<script type="application/json" id="data">${inJson(JSON.stringify(data))}</script>
<script type="module">${inProgram(program)}</script>
</body>
</html>
`
}

async function bundle(entry: string): Promise<string> {
  const build = await rolldown({ input: entry, platform: 'browser' })
  try {
    const { output } = await build.generate({ format: 'esm', minify: true })
    return output[0].code
  } finally {
    await build.close()
  }
}

/** The page is bundled from its source, wherever this file was compiled to. */
function sourceRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'scripts', 'report', 'page', 'main.ts'))) return folder
    if (folder === dirname(folder)) throw new Error('the source of the report page is not in this checkout')
  }
}

/** No text in a script element may look like its end, or like the start of a comment. */
function inJson(text: string): string {
  return text.replaceAll('<', '\\u003c')
}

function inProgram(text: string): string {
  return text.replaceAll('</script', '<\\/script').replaceAll('<!--', '\\x3c!--')
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
