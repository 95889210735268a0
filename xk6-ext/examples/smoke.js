// Proves that the extension is compiled in and works, without a network: k6 run examples/smoke.js
import platctl from 'k6/x/platctl';

export default function () {
  if (platctl.text(1, 2) !== platctl.text(1, 2) || platctl.text(1, 2) === platctl.text(1, 3)) {
    throw new Error('text must depend on the seed and the index, and on nothing else');
  }
}
