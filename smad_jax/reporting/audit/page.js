// Sorts a table by the column whose heading is pressed; the page works without it.
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const down = head.ariaSort === "ascending" ? -1 : 1;
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.value === undefined ? cell.textContent : +cell.dataset.value;
      };
      const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => down * order(key(a), key(b)));
      table.tBodies[0].append(...rows);
      for (const other of head.parentNode.cells) other.ariaSort = null;
      head.ariaSort = down > 0 ? "ascending" : "descending";
    };
  });
}
