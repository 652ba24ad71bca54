// Shows what has come in meanwhile: fetches this page again, and puts its changed parts in place. Without it, reload.
(() => {
  const WAIT = 2000
  const live = document.querySelector("[data-live]")
  const notice = document.querySelector("[data-notice]")
  if (!live) return
  const url = new URL(location.href)
  url.searchParams.delete("done")
  history.replaceState(history.state, "", url)
  // What somebody reads, has selected or stands on is not taken away.
  const inUse = () => live.contains(document.activeElement) || !getSelection().isCollapsed
  const look = async () => {
    if (document.hidden) return
    const answer = await fetch(url, { headers: { accept: "text/html" } })
    if (!answer.ok) return
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html")
    const [nav, menu] = [document, fresh].map((d) => d.querySelector("nav"))
    if (nav.innerHTML !== menu.innerHTML && !nav.contains(document.activeElement)) nav.replaceChildren(...menu.childNodes)
    const now = fresh.querySelector("[data-live]")
    const open = new Set([...live.querySelectorAll("details[open][id]")].map((d) => d.id))
    for (const d of now.querySelectorAll("details[id]")) d.open = open.has(d.id)
    if (now.innerHTML === live.innerHTML) return
    if (inUse()) {
      say("There is news. It is shown as soon as you leave this list, or reload the page.")
      return
    }
    live.replaceChildren(...now.childNodes)
    say("")
  }
  let said = ""
  const say = (text) => {
    if (said === text) return
    said = notice.textContent = text
    notice.hidden = !text
  }
  const again = () => look().catch(() => {}).finally(() => setTimeout(again, WAIT))
  setTimeout(again, WAIT)
})()
