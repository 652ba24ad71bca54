// The thing that was asked for, at once: a thank-you page is opened with a download's token as its fragment.
// Without this script the mail brings it.
(()=>{
  // Forms that are sent by their own script come here with the token as well. It leaves the address, so that nobody
  // shares or bookmarks it, and stays with this entry of the history: a reload still shows the download.
  let place=document.querySelector("[data-mg-download]"),token=location.hash.slice(1)||(history.state||{}).mg||"";
  if(/^mg1\.[\w-]{1,32}\.[\w-]+\.[\w-]{43}$/.test(token)){
    for(let link of place.querySelectorAll("a:not([href])"))link.href=place.dataset.mgDownload+token+(link.dataset.mgFile||"");
    place.hidden=false;
    history.replaceState({mg:token},"",location.pathname+location.search);
  }
})();
