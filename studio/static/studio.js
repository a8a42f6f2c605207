// The pages work without this script. With it they stay up to date, filter lists, check the wizard's form, and pick sizes.
document.documentElement.classList.add('scripted');

const { events } = document.body.dataset;
let ticking = false;
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
  const every = document.querySelector('[data-every]')?.dataset.every; // what the server does not report: that of clusters
  if (every && !ticking) { ticking = true; setInterval(() => { if (!document.hidden && source.readyState !== EventSource.CLOSED) refresh(); }, every * 1000); }

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
    if (now && !old.hasAttribute('data-still') && !now.isEqualNode(old)) { // what is still goes on by itself
      const focused = document.activeElement?.closest?.('[data-live]') === old ? document.activeElement.getAttribute('href') : null;
      morph(old, now);
      if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }
  }
  filter();
  sums();
  const log = document.querySelector('[data-log]:not([data-followed])');
  if (log) followLog(log);
  ends();
  go();
}

// ends shows the ends of the logs of what has failed, once: the reason is there.
function ends() {
  for (const log of document.querySelectorAll('.line .log:not([data-seen])')) {
    log.scrollTop = log.scrollHeight;
    log.dataset.seen = '';
  }
}
ends();

// sums shows the sum of the percentages of the traffic while they are typed, and what it leaves to the default version where there is one.
// Save waits for a sum that is possible.
function sums() {
  for (const form of document.querySelectorAll('form[data-sum]')) {
    const sum = [...form.querySelectorAll('[name^="share-"]')].reduce((n, f) => n + Number(f.value), 0);
    const rest = form.querySelector('[data-rest]'), fits = rest ? sum <= 100 : sum === 100 || sum === 0;
    const total = form.querySelector('[data-total]');
    const text = `${total.dataset.total} ${sum} %`;
    if (total.textContent !== text) total.textContent = text;
    total.classList.toggle('short', !fits);
    form.querySelector('[data-short]').hidden = fits;
    if (rest) {
      rest.hidden = !fits;
      rest.querySelector('span').textContent = 100 - sum;
    }
    form.querySelector('button').disabled = !fits;
    for (const slider of form.querySelectorAll('[data-of]')) slider.value = form.elements[slider.dataset.of].value;
  }
}
document.addEventListener('input', (e) => {
  const form = e.target.closest?.('form[data-sum]'), { of } = e.target.dataset ?? {};
  if (!form) return;
  if (of) {
    form.elements[of].value = e.target.value;
    const others = [...form.querySelectorAll('[name^="share-"]')].filter((f) => f.name !== of);
    if (others.length === 1 && form.dataset.sum !== 'most') others[0].value = 100 - e.target.value; // of two, the other one gets the rest
  }
  sums();
});
sums();

// go sends the form that only waited for something to be ready.
function go() {
  const form = document.querySelector('form[data-go]');
  if (form && !form.sent) { form.sent = true; form.requestSubmit(); }
}
go();

// morph makes a part of the page like another one and keeps what is alike, with its scroll position and what the user has opened or chosen.
const stays = ['open', 'selected', 'data-seen'];
function morph(old, now) {
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && !stays.includes(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value && name !== 'selected') old.setAttribute(name, value);
  const want = [...now.childNodes];
  while (old.childNodes.length > want.length) old.lastChild.remove();
  want.forEach((to, i) => {
    const from = old.childNodes[i];
    if (!from) old.append(to);
    else if (from.isEqualNode(to)) return;
    else if (from.nodeType === 1 && from.nodeName === to.nodeName) morph(from, to);
    else from.replaceWith(to);
  });
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

document.addEventListener('click', (e) => {
  const { copy } = e.target.closest?.('button')?.dataset ?? {};
  if (copy) navigator.clipboard.writeText(document.querySelector(`[data-code="${copy}"]`).textContent);
});

// choose shows the parts of a form that belong to what is chosen in it: data-when="field=value", or one of several such.
function choose(form) {
  for (const part of form.querySelectorAll('[data-when]')) {
    const chosen = part.dataset.when.split(' ').some((when) => {
      const [field, value] = when.split('=');
      return form.elements[field]?.value === value;
    });
    part.classList.toggle('hidden', !chosen);
  }
}
for (const form of document.querySelectorAll('form[data-when]')) {
  form.addEventListener('input', () => choose(form));
  choose(form);
}

const form = document.querySelector('form[data-check]');
if (form) wizard(form);

function wizard(form) {
  const touched = new Set();
  let timer, turn = 0;
  const show = () => {
    choose(form);
    const mode = form.elements.mode?.value, ssl = form.elements.ssl?.value;
    for (const [name, on] of [['.mode-create', mode !== 'existing'], ['.mode-existing', mode === 'existing'], ['.ssl-own', ssl === 'own'], ['.ssl-leaf', ssl === 'leaf']]) {
      for (const part of form.querySelectorAll(name)) part.classList.toggle('hidden', !on);
    }
  };
  const check = async () => {
    const mine = ++turn;
    const typed = [...new FormData(form)].map(([name, value]) => [name, value instanceof File ? value.name : value]); // files go with the form
    const answer = await fetch(form.dataset.check, { method: 'POST', body: new URLSearchParams(typed) });
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
      if (place) { place.textContent = c.text; place.closest('div').hidden = !c.text; }
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
    const { fill } = e.target.closest?.('button')?.dataset ?? {};
    if (fill) {
      for (const pair of fill.split('|')) {
        const [name, value] = pair.split('=');
        form.elements[name].value = value;
      }
      form.elements.subnet.dispatchEvent(new Event('input', { bubbles: true }));
    }
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

// A choice that only selects what a page shows needs no button.
document.querySelector('[data-submit]')?.addEventListener('change', (e) => e.currentTarget.submit());

// A form that only a program that looks at links would leave unsent.
document.querySelector('[data-at-once]')?.requestSubmit();

const log = document.querySelector('[data-log]');
if (log) followLog(log);

// followLog appends the lines of a container to its log as they come. After the end of a stream, whatever the reason, the next one goes
// on after the last line.
function followLog(log) {
  const most = 2000, patience = 5000;
  log.dataset.followed = '';
  const code = log.querySelector('code'), state = document.getElementById('log-state'), box = document.getElementById('follow');
  const address = new URL(log.dataset.log, location.href);
  let source, timer, lines = [], shown = code.textContent.split('\n').length - 1;
  const down = () => { log.scrollTop = log.scrollHeight; };
  const draw = () => {
    const more = lines.splice(0);
    code.append(more.map((l) => l + '\n').join(''));
    shown += more.length;
    if (shown > most) {
      code.textContent = code.textContent.split('\n').slice(-most - 1).join('\n');
      shown = most;
    }
    down();
  };
  const close = (why) => {
    source?.close();
    clearTimeout(timer);
    state.textContent = why;
    if (box.checked) timer = setTimeout(open, patience);
  };
  const open = () => {
    source?.close();
    source = new EventSource(address);
    source.addEventListener('open', () => { state.textContent = state.dataset.open; });
    source.addEventListener('message', (e) => {
      if (e.lastEventId) address.searchParams.set('after', e.lastEventId);
      if (lines.push(e.data) === 1) requestAnimationFrame(draw);
      if (lines.length > most) lines.shift();
    });
    source.addEventListener('end', () => close(state.dataset.end));
    source.addEventListener('bound', () => close(state.dataset.open)); // the server reads so much at once; the rest comes with the next
    source.addEventListener('broken', () => close(state.dataset.broken));
    source.addEventListener('refused', (e) => close(e.data));
    source.addEventListener('error', () => close(state.dataset.broken));
  };
  box.addEventListener('change', () => { if (box.checked) open(); else close(''); });
  addEventListener('pagehide', () => source?.close());
  down();
  open();
}
