"""A real browser without a screen: Chromium, driven over a pipe by its own protocol (chromedevtools.github.io)."""

import base64
import itertools
import json
import shutil
import subprocess
import time

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
DEADLINE_S = 30
OPTIONS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run',
           '--remote-debugging-pipe', '--force-prefers-reduced-motion')
KEYS = {'Enter': '\r', 'Tab': '', 'ArrowRight': '', 'ArrowDown': ''}  # key → the text that it types


class Browser:
    """One page of Chromium, which remembers in `errors` all that went wrong on it, and what it asked the network for.

    The browser keeps what it writes in a folder: a profile of its own, and in folder/downloads what the page saves.
    """

    def __init__(self, folder):
        self.downloads, self.errors, self.requests = folder / 'downloads', [], []
        self._number, self._unread, self._session = itertools.count(1), b'', {}
        # The browser reads its orders from file 3 and answers on file 4.
        self._process = subprocess.Popen(
            ['sh', '-c', 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', 'sh', CHROMIUM, *OPTIONS,
             f'--user-data-dir={folder / "profile"}', 'about:blank'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        target = next(each for each in self.ask('Target.getTargets')['targetInfos'] if each['type'] == 'page')
        self._session = {'sessionId': self.ask('Target.attachToTarget', targetId=target['targetId'],
                                               flatten=True)['sessionId']}
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.ask(f'{domain}.enable')
        self.ask('Browser.setDownloadBehavior', behavior='allow', downloadPath=str(self.downloads))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def ask(self, method, **parameters):
        """Send one order and wait for its answer."""
        number = next(self._number)
        order = {'id': number, 'method': method, 'params': parameters, **self._session}
        self._process.stdin.write(json.dumps(order).encode() + b'\0')
        self._process.stdin.flush()
        while True:
            message = self._read()
            if message.get('id') == number:
                assert 'error' not in message, (method, message['error'])
                return message['result']
            self._hear(message.get('method'), message.get('params', {}))

    def _read(self):
        while b'\0' not in self._unread:
            more = self._process.stdout.read1()
            assert more, 'the browser has ended'
            self._unread += more
        first, self._unread = self._unread.split(b'\0', 1)
        return json.loads(first)

    def _hear(self, event, told):
        if event == 'Runtime.exceptionThrown':
            self.errors.append(told['exceptionDetails'])
        elif event == 'Runtime.consoleAPICalled' and told['type'] in ('error', 'warning', 'assert'):
            self.errors.append(told['args'])
        elif event == 'Log.entryAdded' and told['entry']['level'] in ('error', 'warning'):
            self.errors.append(told['entry'])
        elif event == 'Network.requestWillBeSent':
            self.requests.append(told['request']['url'])

    def open(self, url, width=1400, height=900, dark=False):
        """Open a page as on a screen of this size."""
        self.ask('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 600)
        self.ask('Emulation.setTouchEmulationEnabled', enabled=width < 600)
        self.ask('Emulation.setEmulatedMedia',
                 features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self.ask('Page.navigate', url='about:blank')
        self.ask('Page.navigate', url=url)
        self.until('document.readyState === "complete"')

    def evaluate(self, expression):
        """The value of a JavaScript expression on the page; promises are awaited."""
        answer = self.ask('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in answer, (expression, answer['exceptionDetails'])
        return answer['result'].get('value')

    def until(self, condition):
        """Wait until a JavaScript condition holds; returns its value."""
        deadline = time.monotonic() + DEADLINE_S
        while not (value := self.evaluate(condition)):
            assert time.monotonic() < deadline, (condition, self.errors)
            time.sleep(0.02)
        return value

    def click(self, selector):
        """Click in the middle of an element as a mouse or a finger does; it is scrolled to first."""
        x, y = self.evaluate(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'center'}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for event in ('mousePressed', 'mouseReleased'):
            self.ask('Input.dispatchMouseEvent', type=event, x=x, y=y, button='left', clickCount=1)

    def press(self, key):
        """Press a key."""
        text = {'text': KEYS[key]} if KEYS[key] else {}
        for event in ('keyDown', 'keyUp'):
            self.ask('Input.dispatchKeyEvent', type=event, key=key, code=key,
                     windowsVirtualKeyCode={'Enter': 13, 'Tab': 9, 'ArrowRight': 39, 'ArrowDown': 40}[key], **text)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask('Page.captureScreenshot', format='png')['data']))
