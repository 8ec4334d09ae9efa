use std::time::Instant;
use anyhow::Result;
use rig::peer::*;
use rig::*;
#[test]
fn explore() -> Result<()> {
    let scratch = Scratch::new("peer-explore")?;
    let sources = scratch.join("sources");
    tree::sample(&sources.join("first"), 10, 1_000_000)?;
    let burners: Vec<Burner> = (0..4).map(|n| Burner::empty(&format!("explore{n}"))).collect::<Result<_>>()?;
    let mut peer = Peer::new(scratch.path())?;
    for b in &burners { peer.burner(b); }
    let t = Instant::now();
    let station = peer.boot()?;
    println!("boot {:?}", t.elapsed());
    station.put(&sources, "/tmp/src")?;
    println!("put {:?}", t.elapsed());
    let plan = std::fs::read_to_string("/tmp/b/plan")?;
    for (n, line) in plan.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).enumerate() {
        let t = Instant::now();
        if let Some(media) = line.strip_prefix("disc ") {
            let mut w = media.split(' ');
            let profile = burner::Profile::named(w.next().unwrap()).unwrap();
            burners[0].insert(profile, &scratch.join(&format!("disc{n}")), Some(w.next().map_or(32768, |x| x.parse().unwrap())))?;
            let (k, path) = (n, scratch.join(&format!("disc{n}.trace")));
            let mut file = std::fs::File::create(path)?; let _ = k;
            burners[0].drive.control(|d| d.observe(move |r| { use std::io::Write; let _ = writeln!(file, "{r}"); }));
        } else if line == "reload" { reload(&burners[0]); }
        else if let Some(kind) = line.strip_prefix("look ") {
            let layout = if kind == "udf" { Layout::Udf } else { Layout::Iso9660 };
            match station.look("/dev/burner0", layout) { Ok(m) => println!("    {} names", m.listing.len()), Err(e) => println!("    {e:#}") }
        } else {
            let a = station.at("/dev/burner0", line)?;
            println!("    exit {}\n{}", a.exit, a.text().lines().map(|l| format!("      {l}\n")).collect::<String>());
        }
        println!("== {line}: {:?}", t.elapsed());
    }
    std::mem::forget(scratch);
    Ok(())
}
