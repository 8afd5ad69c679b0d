(() => {
  'use strict';
  const root = document.documentElement;
  const link = document.getElementById('link');
  const say = (text) => { if (link.textContent !== text) link.textContent = text; };

  // alike makes one node as another is, and changes nothing else: what has the focus, is
  // selected or opened stays so.
  const alike = (old, next) => {
    if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) {
      old.replaceWith(next);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    children(old, next);
  };
  const children = (old, next) => {
    const was = [...old.childNodes], is = [...next.childNodes];
    is.forEach((node, i) => { if (i < was.length) alike(was[i], node); else old.append(node); });
    was.slice(is.length).forEach((node) => node.remove());
  };

  const title = () => {
    const verdict = document.querySelector('.verdict');
    document.title = (root.classList.contains('stale') ? '? ' : '') + verdict.dataset.title + ' · deflectd';
  };
  title();

  let source, heard, timer;
  const lost = (text) => {
    root.classList.add('stale');
    say(text);
    title();
  };
  const open = () => {
    source = new EventSource('/status/events');
    source.addEventListener('version', (e) => { // behind one address there can be two
      if (e.data !== root.dataset.version) setTimeout(() => location.reload(), Math.max(0, 10000 - performance.now()));
    });
    source.addEventListener('part', (e) => {
      const next = document.createElement('template');
      next.innerHTML = e.data;
      const old = document.getElementById(e.lastEventId);
      if (old) children(old, next.content);
      heard = Date.now();
      root.classList.remove('stale');
      say('Live');
      title();
    });
    source.addEventListener('error', () => {
      lost('Not live, deflectd does not answer. This is how it was at');
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(timer); // it was refused: as many watch as may
      timer = setTimeout(open, 10000);
    });
  };
  open();
  setInterval(() => {
    if (heard && Date.now() - heard > 5000) lost('Not live, nothing was heard since. This is how it was at');
  }, 1000);
})();
