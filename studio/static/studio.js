// The pages work without this script. With it they stay up to date, filter lists, check the wizard's form, and pick sizes.
document.documentElement.classList.add('scripted');

const { events } = document.body.dataset;
if (events) listen(events);

// listen reloads the parts of the page that are marked as live whenever the server reports a change.
function listen(address) {
  const lost = document.querySelector('.lost');
  let asked = false, again = false;
  const source = new EventSource(address);
  source.addEventListener('hello', () => { lost.hidden = true; refresh(); });
  source.addEventListener('changed', refresh);
  source.addEventListener('ended', () => { source.close(); signInAgain(); });
  source.addEventListener('error', () => {
    lost.hidden = false;
    if (source.readyState === EventSource.CLOSED) setTimeout(() => probe(address), 1000);
  });
  addEventListener('pagehide', () => source.close());

  async function refresh() {
    if (asked) { again = true; return; }
    asked = true;
    do {
      again = false;
      try { await replace(); } catch { /* the stream says hello when the server is back */ }
    } while (again);
    asked = false;
  }
}

// signInAgain shows the sign-in, unless the user has typed: the sign-in that follows the form keeps its values.
function signInAgain() {
  const typed = [...document.querySelectorAll('main input:not([type=hidden]), main textarea')].some((f) => f.value !== f.defaultValue);
  if (!typed) location.reload();
}

// probe finds out why a stream was refused: the session has ended, or the server does not answer yet.
async function probe(address) {
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    if (answer.status === 401) signInAgain();
    else listen(address);
  } catch { setTimeout(() => probe(address), 2000); }
}

async function replace() {
  const live = document.querySelectorAll('[data-live]');
  if (!live.length) return;
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
  if (answer.status === 401) { signInAgain(); return; }
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  if (!answer.ok) {
    document.querySelector('main').replaceChildren(...fresh.querySelector('main').childNodes);
    return;
  }
  for (const old of live) {
    const now = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
    if (now && !now.isEqualNode(old)) {
      const focused = document.activeElement?.closest?.('[data-live]') === old ? document.activeElement.getAttribute('href') : null;
      old.replaceChildren(...now.childNodes);
      if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }
  }
  filter();
}

// filter hides the rows that do not contain the search text.
const search = document.querySelector('[data-filter]');
search?.addEventListener('input', filter);
function filter() {
  if (!search) return;
  const words = search.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(`#${search.dataset.filter} tbody tr`)) {
    row.classList.toggle('hidden', words !== '' && !row.textContent.toLowerCase().includes(words));
  }
}

// A deletion is confirmed by typing the name; the server checks it too.
for (const field of document.querySelectorAll('[data-confirm]')) {
  const button = field.form.querySelector('button.danger');
  const match = () => { button.disabled = field.value !== field.dataset.confirm; };
  field.addEventListener('input', match);
  match();
}

const form = document.querySelector('form[data-check]');
if (form) wizard(form);

function wizard(form) {
  const touched = new Set();
  let timer, turn = 0;
  const show = () => {
    const mode = form.elements.mode?.value, ssl = form.elements.ssl?.value;
    for (const [name, on] of [['.mode-create', mode !== 'existing'], ['.mode-existing', mode === 'existing'], ['.ssl-own', ssl === 'own'], ['.ssl-leaf', ssl === 'leaf']]) {
      for (const part of form.querySelectorAll(name)) part.classList.toggle('hidden', !on);
    }
  };
  const check = async () => {
    const mine = ++turn;
    const answer = await fetch(form.dataset.check, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
    if (mine !== turn || !answer.ok) return;
    report(await answer.json());
  };
  const report = (v) => {
    for (const place of form.querySelectorAll('.say')) place.replaceChildren();
    for (const s of v.findings) {
      const place = document.getElementById(`say-${s.field}`) ?? document.getElementById('say-');
      if (!place || (s.field && !s.warning && !touched.has(s.field) && form.dataset.step === '2' && s.field === 'name')) continue;
      const p = document.createElement('p');
      p.className = s.warning ? 'warn' : 'bad';
      p.textContent = s.message;
      place.append(p);
    }
    const sum = form.querySelector('.sum');
    if (sum) { sum.textContent = v.sum; sum.classList.toggle('short', v.short); }
    for (const c of v.code) {
      const place = form.querySelector(`[data-code="${c.name}"]`);
      if (place) place.textContent = c.text;
    }
  };
  form.addEventListener('input', (e) => {
    if (e.target.name) touched.add(e.target.name);
    show();
    clearTimeout(timer);
    timer = setTimeout(check, 30);
  });
  for (const file of form.querySelectorAll('[data-into]')) {
    file.addEventListener('change', async () => {
      const into = form.elements[file.dataset.into];
      into.value = await file.files[0].text();
      into.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }
  form.addEventListener('click', (e) => {
    const { fill, copy } = e.target.closest?.('button')?.dataset ?? {};
    if (fill) {
      for (const pair of fill.split('|')) {
        const [name, value] = pair.split('=');
        form.elements[name].value = value;
      }
      form.elements.subnet.dispatchEvent(new Event('input', { bubbles: true }));
    }
    if (copy) navigator.clipboard.writeText(form.querySelector(`[data-code="${copy}"]`).textContent);
  });
  const picker = form.querySelector('.picker');
  if (picker) sizes(picker, form.elements.size);
  show();
}

// sizes lets the user pick a size of the catalogue by its vCPUs and memory. Sizes that the rules refuse come last, with the reason.
async function sizes(picker, into) {
  picker.hidden = false; // before the sizes are there: the buttons below must not move under a click
  const all = await (await fetch(picker.dataset.sizes)).json();
  const body = picker.querySelector('tbody'), count = picker.querySelector('[data-count]');
  const draw = () => {
    const words = into.value.trim().toLowerCase();
    const least = [...picker.querySelectorAll('[data-min]')].map((f) => [Number(f.dataset.min), Number(f.value)]);
    const exact = all.some((z) => z[0].toLowerCase() === words);
    const fits = all.filter((z) => (exact || z[0].toLowerCase().includes(words)) && least.every(([i, n]) => z[i] >= n));
    fits.sort((a, b) => (b[0].toLowerCase() === words) - (a[0].toLowerCase() === words) || !!a[5] - !!b[5] || a[1] - b[1] || a[2] - b[2]);
    count.textContent = count.dataset.count.replace('{n}', fits.length);
    body.replaceChildren(...fits.slice(0, 200).map((z) => {
      const row = document.createElement('tr');
      row.tabIndex = 0;
      if (z[0].toLowerCase() === words) row.setAttribute('aria-current', 'true');
      for (const [i, value] of z.entries()) {
        const cell = document.createElement('td');
        cell.className = i === 5 ? 'why' : i ? 'num' : '';
        cell.textContent = i > 2 && !value ? '' : i === 5 ? `${picker.dataset.refused} ${value}` : value;
        row.append(cell);
      }
      const pick = () => { into.value = z[0]; into.dispatchEvent(new Event('input', { bubbles: true })); };
      row.addEventListener('click', pick);
      row.addEventListener('keydown', (e) => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); pick(); } });
      return row;
    }));
  };
  into.addEventListener('input', draw);
  picker.addEventListener('input', draw);
  draw();
}
