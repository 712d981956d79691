// dom: elements in one expression.

type Child = Node | string
type Attributes = Record<string, string | boolean | ((event: Event) => void)>

/** An element; attributes that are functions are listeners, `true` is an attribute without a value, `false` none. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value)
    else if (value === true) made.setAttribute(name, '')
    else if (value !== false) made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

const probe = document.createElement('span')
probe.hidden = true

/** A colour of the style sheet as the present theme has it, in a form that a canvas understands. */
export function themeColour(name: string): string {
  if (!probe.isConnected) document.body.append(probe)
  probe.style.color = `var(${name})`
  return getComputedStyle(probe).color
}
