// Search and sort of the table of rights.
function sortRights(button) {
  const head = button.closest("th");
  const column = [...head.parentElement.children].indexOf(head);
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = document.querySelector("#rights tbody");
  const keyed = [...body.rows].map((row, place) => ({ row, place, key: row.cells[column].dataset.v ?? "", group: row.cells[column].dataset.g ?? "" }));
  const numeric = keyed.every(({ key }) => key === "" || Number.isFinite(Number(key)));
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (numeric ? Number(a) - Number(b) : collator.compare(a, b));
  // what is missing comes last either way, and amounts of one currency stay together
  keyed.sort((a, b) => (a.key === "") - (b.key === "") || collator.compare(a.group, b.group) || (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place);
  body.append(...keyed.map(({ row }) => row));
}

function searchRights(words) {
  const wanted = words.trim().toLowerCase();
  const rows = [...document.querySelectorAll("#rights tbody tr")];
  let count = 0;
  for (const row of rows) {
    row.words ??= `${row.cells[1].dataset.v} ${row.cells[row.cells.length - 1].textContent}`.toLowerCase();
    row.hidden = wanted !== "" && !row.words.includes(wanted);
    count += row.hidden ? 0 : 1;
  }
  document.getElementById("found").textContent = wanted === "" ? "" : `${count} of ${rows.length} rows`;
}

function watchTable() {
  const table = document.getElementById("rights");
  if (!table) return;
  for (const button of table.querySelectorAll("th button")) button.addEventListener("click", () => sortRights(button));
  table.addEventListener("click", (event) => {
    const pick = event.target.closest(".pick");
    if (pick) choose(Number(pick.dataset.plantation), true);
  });
  document.getElementById("find").addEventListener("input", (event) => searchRights(event.target.value));
}
