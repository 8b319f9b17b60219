// What is wider than its column can be scrolled with the keyboard, too.
const watch = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    const wide = target.scrollWidth > target.clientWidth;
    if (wide) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const scrollable = "pre, .table-wrapper, .cell_output .text_html";
for (const each of document.querySelectorAll(scrollable)) watch.observe(each);
