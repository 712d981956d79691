// Project: an empty folder in which the tarball is installed, under its own name unless another is given.

import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installed } from '../dependents/support/installed.js'
import { install, root } from '../dependents/support/packed.js'

const run = promisify(execFile)

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

export class Project {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Without an install. */
  static at(title: string): Project {
    return new Project(join(installed().folder, title))
  }

  /** `title` names the folder. */
  static async create(title: string, dependencies: Record<string, string> = {}): Promise<Project> {
    const { packed } = installed()
    const project = Project.at(title)
    const all = { [packed.name]: `file:${packed.tarball}`, ...dependencies }
    project.write({ 'package.json': JSON.stringify({ name: title, private: true, dependencies: all }) })
    await install(project.folder)
    return project
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  write(files: Record<string, string>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(this.path(name), '..'), { recursive: true })
      writeFileSync(this.path(name), content)
    }
  }

  /** Runs node in the folder; a process that does not end is an error. */
  async node(...args: string[]): Promise<Ran> {
    try {
      const { stdout, stderr } = await run(process.execPath, args, {
        cwd: this.folder,
        timeout: 60_000,
        maxBuffer: 1e8,
      })
      return { code: 0, stdout, stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as Ran
      if (typeof code !== 'number') throw error
      return { code, stdout, stderr }
    }
  }

  /** What a program prints as JSON. It must print nothing else, and end by itself. */
  async evaluate(type: 'commonjs' | 'module', program: string): Promise<unknown> {
    const { code, stdout, stderr } = await this.node(`--input-type=${type}`, '-e', program)
    if (code !== 0 || stderr !== '') throw new Error(`ended with ${code}\n${stderr}`)
    return JSON.parse(stdout)
  }

  /** The repository's TypeScript. */
  tsc(...args: string[]): Promise<Ran> {
    return this.node(join(root, 'node_modules/typescript/bin/tsc'), ...args)
  }
}
